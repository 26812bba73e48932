"""Writes ``drumscribe/client/models.py`` from the OpenAPI document: ``python scripts/build_client.py``.

A test holds the two equal, so the client knows every field that the API has.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parents[1] / "drumscribe" / "client" / "models.py"
ANSWERS = ("TempoView", "AlternativeView", "HitView", "ChangeView", "JobView", "JobList", "ResultView", "Component",
           "Health", "WebhookSecret", "QuotaPart", "QuotaView")  # fmt: skip
"""What the API gives: frozen dataclasses."""
REQUESTS = ("SeparateOptions", "DetectOptions", "BeatOptions", "QuantiseOptions", "NotateOptions", "ReadOptions",
            "WriteOptions", "Options", "NewHit", "HitChange", "HitsPatch")  # fmt: skip
"""What it takes: typed dictionaries, in which anything may be left out."""
_HEAD = '''"""What the API takes and gives. Written by ``scripts/build_client.py`` from the OpenAPI document."""

# fmt: off
# ruff: noqa: E501

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypedDict
'''
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None", "object": "Any"}


def named(schema: dict[str, Any]) -> str:
    """The Python type of a schema."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(named(one) for one in schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return f"Literal[{', '.join(quoted(value) for value in values)}]"
    if schema.get("type") == "array":
        return f"list[{named(schema.get('items', {}))}]"
    if schema.get("type") == "object":
        more = schema.get("additionalProperties")
        return f"dict[str, {named(more) if isinstance(more, dict) else 'Any'}]"
    if schema.get("format") == "date-time":
        return "datetime"
    return _PLAIN.get(schema.get("type", ""), "Any")


def quoted(value: Any) -> str:
    """A value of a literal type."""
    return f'"{value}"' if isinstance(value, str) else repr(value)


def text(document: dict[str, Any]) -> str:
    """The whole module."""
    schemas = document["components"]["schemas"]
    parts = [_HEAD, f"\nJobStatus = {named(schemas['JobStatus'])}\n"]
    for name in (*REQUESTS, *ANSWERS):
        about = schemas[name].get("description", name).split("\n")[0]
        head = f"@dataclass(frozen=True, slots=True)\nclass {name}:" if name in ANSWERS else (
            f"class {name}(TypedDict, total=False):"
        )  # fmt: skip
        rows = [f'\n\n{head}\n    """{about}"""\n']
        for field, schema in schemas[name]["properties"].items():
            rows.append(f"    {field}: {named(schema)}")
            if told := schema.get("description"):
                rows.append(f'    """{told}"""' if not told.endswith('"') else f"    '''{told}'''")
        parts.append("\n".join(rows) + "\n")
    return "".join(parts)


def document() -> dict[str, Any]:
    """The OpenAPI document of the application as it is."""
    from drumscribe.api.app import create_app
    from drumscribe.settings import Settings

    return create_app(Settings(_env_file=None)).openapi()


if __name__ == "__main__":
    TARGET.write_text(text(document()), encoding="utf-8")

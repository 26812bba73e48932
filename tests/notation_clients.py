"""What the notation tests share: the schema, and the programs that open our files."""

from __future__ import annotations

import io
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from lxml import etree

_XLINK = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/1999/xlink"
 attributeFormDefault="qualified">
 <xs:attribute name="href" type="xs:anyURI"/><xs:attribute name="type" type="xs:string"/>
 <xs:attribute name="role" type="xs:token"/><xs:attribute name="title" type="xs:token"/>
 <xs:attribute name="show" type="xs:token"/><xs:attribute name="actuate" type="xs:token"/></xs:schema>"""

_XML = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/XML/1998/namespace">
 <xs:attribute name="lang" type="xs:language"/>
 <xs:attribute name="space"><xs:simpleType><xs:restriction base="xs:NCName">
  <xs:enumeration value="default"/><xs:enumeration value="preserve"/></xs:restriction></xs:simpleType></xs:attribute>
</xs:schema>"""


class _Local(etree.Resolver):
    def resolve(self, url, public_id, context):
        name = url.rsplit("/", 1)[-1]
        if name == "xlink.xsd":
            return self.resolve_string(_XLINK, context)
        if name == "xml.xsd":
            return self.resolve_string(_XML, context)
        return None


def _schema_folder() -> Path:
    package = find_spec("musicxml")  # found without importing it: that takes seconds
    assert package is not None and package.submodule_search_locations
    return Path(package.submodule_search_locations[0]) / "generate_classes"


@lru_cache(maxsize=1)
def schema() -> etree.XMLSchema:
    """The W3C's MusicXML 4.0 schema, as the ``musicxml`` package carries it."""
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Local())
    return etree.XMLSchema(etree.parse(str(_schema_folder() / "musicxml_4_0.xsd"), parser))


def assert_valid(document: bytes) -> None:
    tree = etree.parse(io.BytesIO(document), etree.XMLParser(load_dtd=False, no_network=True))
    found = schema()
    assert found.validate(tree), [str(entry) for entry in list(found.error_log)[:5]]

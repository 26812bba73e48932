"""The studio's page table, pages and theme stand at the top of the repository; a wheel carries them inside the package.

Everything else about the build is in ``pyproject.toml``.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

STUDIO = ("app.py", "pages/*.py", ".streamlit/config.toml")


class BuildWithStudio(build_py):
    """Copies the studio into ``drumscribe/_studio``, where ``drumscribe serve`` looks for it."""

    def run(self) -> None:
        """Copy the packages, then the studio; an editable installation uses the repository's own files."""
        super().run()
        if not self.editable_mode:
            for source, target in self._studio().items():
                self.mkpath(str(Path(target).parent))
                self.copy_file(source, target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """What this command writes."""
        return super().get_outputs(include_bytecode) + list(self._studio().values())

    def _studio(self) -> dict[str, str]:
        found = [path for pattern in STUDIO for path in sorted(Path().glob(pattern))]
        return {str(path): str(Path(self.build_lib, "drumscribe", "_studio", path)) for path in found}


setup(cmdclass={"build_py": BuildWithStudio})

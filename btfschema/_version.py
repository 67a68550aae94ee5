"""The version of the installed distribution, which is read when somebody asks for it."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("btfschema")

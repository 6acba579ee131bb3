"""YAML in, value and positions out; a refused value becomes file:line:column, what is wrong, and the nearest right word."""

from chaos.source.reading import MAX_BYTES, MAX_DEPTH, MAX_NODES, Document, parse, read
from chaos.source.wording import nearest, problems
from chaos.source.writing import dump

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_NODES", "Document", "dump", "nearest", "parse", "problems", "read"]

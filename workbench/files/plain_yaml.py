"""YAML as far as an experiment needs it: values alone, every name once, no aliases.

An alias makes one value stand in many places; a few lines of aliases of aliases stand for more values than any memory
holds as soon as somebody counts or prints them.
"""

from typing import Any

from workbench.config import DataError
from workbench.files import untrusted

MOST_DEPTH = 32


def parse(content: bytes) -> Any:
    """The value of a YAML file's bytes. Raises DataError, whose text reads after the file's name."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Plain values: no Python objects (as SafeLoader), no aliases, no name twice, no value nested too deeply."""

        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError(f"an alias, *{self.peek_event().anchor}: write the value out")
            self.depth += 1
            if self.depth > MOST_DEPTH:
                raise yaml.YAMLError("values are nested too deeply")
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            found = super().construct_mapping(node, deep)
            if len(found) < len(node.value):
                raise yaml.YAMLError(f"a name is given twice in the mapping at line {node.start_mark.line + 1}")
            return found

    try:
        loader = Loader(content)
        try:
            value = loader.get_single_data()
        finally:
            loader.dispose()
        if fault := untrusted.odd(value):
            raise yaml.YAMLError(fault)
        return value
    except yaml.YAMLError as error:
        raise DataError(f"is not YAML that can be taken ({_said(error)})") from error
    except Exception as error:  # yaml's readers of dates, numbers and tags raise many kinds
        raise DataError(f"is not YAML that can be taken ({_said(error)})") from error


def _said(error: Exception) -> str:
    return untrusted.line(" ".join(str(error).split()) or type(error).__name__)

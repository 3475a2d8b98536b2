"""What stands behind the colon of a SPEC."""

from workbench.config import ConfigError


def number(name: str, rest: str, usual: int, what: str, least: int, most: int) -> int:
    """The number in NAME:rest, `usual` where there is none. Raises ConfigError outside least..most of what."""
    if not rest:
        return usual
    if not (rest.isascii() and rest.isdigit() and len(rest) <= len(str(most)) and int(rest) >= least):
        raise ConfigError(f"{name}:{rest}: after the colon comes a number of {what}, {least} to {most}")
    return int(rest)

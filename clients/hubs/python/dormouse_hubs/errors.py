"""What goes wrong between hubs."""


class CallFailed(Exception):
    """A call of another hub came to no answer: it could not be reached, or took too long. `retryable`: it was not
    begun, or may be made again without harm."""

    def __init__(self, text: str, retryable: bool = False) -> None:
        super().__init__(text)
        self.retryable = retryable


class CallCycle(CallFailed):
    """The other hub waits, itself or through others, for the very handler that calls it: it could never answer."""


class RemoteError(CallFailed):
    """The other hub's method has raised something: `kind` is the name of its class."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}" if text else kind)
        self.kind = kind

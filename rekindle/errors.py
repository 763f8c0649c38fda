"""Everything that can go wrong, one class for each thing a caller would do differently."""


class RekindleError(Exception):
    """Root of all errors that a user may see; the text is a whole sentence for people."""


class WrongUse(RekindleError):
    """The command or request itself is malformed; exit code 2."""


class NotFound(RekindleError):
    """What was asked for does not exist; exit code 1."""


class NotNow(RekindleError):
    """It cannot be done at this moment, though later it may; exit code 1."""


class StoreUnavailable(RekindleError):
    """The database cannot be reached or is not migrated; nothing was written."""


class BrokerUnavailable(RekindleError):
    """The message broker cannot be reached; the sweep will find the work again."""


class ProviderUnavailable(RekindleError):
    """The mail provider did not take the message now; the same bytes may be tried later."""


class ProviderDeferred(ProviderUnavailable):
    """The mail provider did not take this one message now; others may go on meanwhile."""


class ProviderRefused(RekindleError):
    """The mail provider will never take this message."""


class HandoverUncertain(RekindleError):
    """The last byte left and no answer came: the provider may or may not have the message."""


class Unsupported(RekindleError):
    """The message asks for something this provider cannot express."""


class WebhookNotGenuine(RekindleError):
    """The signature, secret or age of a webhook does not hold; answered 401, nothing stored."""


class Malformed(RekindleError):
    """Foreign input that cannot be understood; the sender is told, nothing else happens."""


class TemplateFailed(RekindleError):
    """A template could not be rendered for one customer; the text names template and cause."""

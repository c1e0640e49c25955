"""What the stores raise for the administrator."""


class StoreError(Exception):
    """A change that cannot be made; str(self) is a sentence for the administrator."""


class Decided(StoreError):
    """Somebody else, perhaps in another browser, has decided meanwhile."""


class Unknown(StoreError):
    """There is nothing of that name."""


class LabelTaken(StoreError):
    """The identity has a device of this name."""


class RoleChanged(Exception):
    """Whoever acts, or the person whom it is done to, has got another role since it was looked at: nothing is done."""

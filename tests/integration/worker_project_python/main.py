"""What worker_project/ is in JavaScript: the same classes, which say the same to their clients."""

from attacked import Attacked, Unbuildable
from counter import Counter
from sleeper import Sleeper

__all__ = ["Attacked", "Counter", "Sleeper", "Unbuildable"]

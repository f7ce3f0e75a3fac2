"""The chain, in the order of docs/method.md section 1. The only package that knows all rooms.

Forcing X, attributes A and observations Z become a cube; the process model M runs an ensemble of θ; the surrogate M̂
learns to answer as M does; learners find θ through the frozen M̂; M itself passes the verdict on every θ.
"""

from paraformer.core.lazy import lazily

_PUBLIC = {
    "STAGES": "core.names",
    "check_study": "pipeline.check",
    "run_study": "pipeline.run",
}
__all__ = list(_PUBLIC)
__getattr__ = lazily(__name__, _PUBLIC)

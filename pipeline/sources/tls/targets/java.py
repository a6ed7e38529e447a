"""Java's own TLS (JSSE): there, in every JVM, and out of reach."""

from pipeline.sources.tls.targets.code import Code, Unsupported

LIBRARY = "jsse"

_JVM = ("JNI_CreateJavaVM", "JVM_DefineClass")


def find(code: Code) -> Unsupported | None:
    """By what libjvm exports."""
    if len(code.functions(_JVM)) < len(_JVM):
        return None
    why = "Java's own TLS runs in code that the JVM writes while it runs; netty-tcnative and Conscrypt are captured"
    return Unsupported(LIBRARY, "", why)

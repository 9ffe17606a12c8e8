"""vmconsole: a desktop console for people who run virtual machines on KVM."""

__version__ = "0.1.0"

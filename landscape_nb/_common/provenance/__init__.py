"""What a result was made from: fingerprints of weights, data and code, and the versions that ran."""

from landscape_nb._common.provenance.fingerprints import fingerprint, ran_since, versions

__all__ = ["fingerprint", "ran_since", "versions"]

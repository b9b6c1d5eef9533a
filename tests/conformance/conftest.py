"""Every transport of this project against the conformance suite, which `swergio.testing.conformance` holds.

To add one, write ``test_<scheme>.py``::

    from swergio.testing.conformance import ConformanceSuite

    class TestMine(ConformanceSuite):
        def deploy(self, limits):
            with behind_a_proxy("mine://127.0.0.1:0", limits) as deployment:
                yield deployment

A hub's wire over a TCP port or a Unix socket uses `behind_a_proxy` as above; its URL must be ``scheme://host:port`` or
``scheme:///path``. Another one yields a `Deployment`, with as many ways to disturb it as there are: each that is left
out skips tests, and the reason says which. What the transport does not claim in its ``guarantees`` is skipped too, and
what remains of that is tested instead. ``pytest tests/conformance/test_mine.py -k plain`` runs one face alone.
"""

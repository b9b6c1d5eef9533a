"""The transports that come with swergio; each is found by the scheme of a URL, as a third party's is."""

"""Signing in to the console at an issuer of the organisation's own (OpenID Connect Core 1.0, authorization code flow).

    settings.py     what the administrator says: POLICY_CONSOLE_OIDC_... in the environment
    errand.py       one way to the issuer and back, and what proves that both ends are of it, pure
    id_tokens.py    what must stand in the token that comes back, pure
    provider.py     the two questions that the issuer is asked: sign this person in; what is this code worth

The pages are policy/console/sign_on.py. An issuer says who somebody is; whether that is somebody here, and with which
role, is in our own store (policy/people/vouching.py). Keys and discovery are those of policy/bridges/issuer.py.
"""

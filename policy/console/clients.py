"""What mail clients ask by themselves when somebody types an address: Mozilla's autoconfig, Outlook's autodiscover.
And what mail servers ask before they deliver to our domains: the policy file of MTA-STS.

No sign-in, and no answer that depends on whether the address exists: who asks learns only which servers there are.
"""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from policy.console.parts import Parts
from policy.enrolment import autoconfig, autodiscover
from policy.publishing import mta_sts


def routes(parts: Parts) -> list[Route]:
    async def config(request: Request) -> Response:
        found = autoconfig.autoconfig(parts.servers, request.query_params.get("emailaddress", ""))
        if found is None:
            return Response(status_code=HTTPStatus.NOT_FOUND)
        return Response(found, media_type=autoconfig.MEDIA_TYPE)

    async def discover(request: Request) -> Response:
        body = await request.body()
        if len(body) > autodiscover.MAX_REQUEST_OCTETS:
            return Response(status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            return Response(autodiscover.autodiscover(parts.servers, body), media_type=autodiscover.MEDIA_TYPE)
        except autodiscover.RequestRefused:
            return Response(status_code=HTTPStatus.BAD_REQUEST)

    async def transport(_: Request) -> Response:
        if not parts.mta_sts:
            return Response(status_code=HTTPStatus.NOT_FOUND)
        return Response(parts.mta_sts, media_type=mta_sts.MEDIA_TYPE)

    return [
        Route(mta_sts.PATH, transport, methods=["GET"]),
        *[Route(path, config, methods=["GET"]) for path in autoconfig.PATHS],
        *[Route(path, discover, methods=["POST"]) for path in autodiscover.PATHS],
    ]

"""Order groups."""

from tests.paper.server.contract.world import Ask

GROUPS = "/portfolio/order_groups"
ONE = f"{GROUPS}/{{order_group_id}}"
MINE = f"{GROUPS}/{{group}}"

REQUESTS = [
    Ask("GET", GROUPS, 200),
    Ask("GET", GROUPS, 400, f"{GROUPS}?subaccount=one"),
    Ask("GET", ONE, 200, MINE),
    Ask("GET", ONE, 404, f"{GROUPS}/none"),
    Ask("POST", f"{GROUPS}/create", 201, body={"contracts_limit": 5}),
    Ask("POST", f"{GROUPS}/create", 400, body={}),
    Ask("PUT", f"{ONE}/limit", 200, f"{MINE}/limit", {"contracts_limit_fp": "5.00"}),
    Ask("PUT", f"{ONE}/reset", 200, f"{MINE}/reset", {}),
    Ask("PUT", f"{ONE}/trigger", 200, f"{MINE}/trigger", {}),
    Ask("PUT", f"{ONE}/limit", 400, f"{MINE}/limit", {}),
    Ask("PUT", f"{ONE}/limit", 404, f"{GROUPS}/none/limit", {"contracts_limit": 5}),
    Ask("PUT", f"{ONE}/reset", 404, f"{GROUPS}/none/reset", {}),
    Ask("PUT", f"{ONE}/trigger", 404, f"{GROUPS}/none/trigger", {}),
    Ask("DELETE", ONE, 200, MINE),
    Ask("DELETE", ONE, 404, f"{GROUPS}/none"),
]

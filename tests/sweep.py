"""Every page that a person reaches, for the sweep over the running product and for the pictures of `make ui`."""

MODEL, DATA = "/models/flight-delay/", "/datasets/flights-2013/"

# What stands for `{…}` in an address: the first row of a list of the API. What the list lacks, the sweep leaves out.
PLACES = {
    "promotion": "/promotions",
    "job": "/jobs",
    "report": "/drift-reports",
    "search": "/searches",
    "rollout": "/rollouts",
    "retraining": "/retrainings",
    "alert": "/alerts",
    "check": "/datasets/flights-2013/versions/1/checks",
    "channel": "/channels",
    "webhook": "/webhooks",
    "source": "/datasets/flights-2013/sources",
}

PAGES = {
    "inbox": "/",
    "promotions": "/promotions/?state=all",
    "promotion": "/promotions/1/",
    "promotion-plan": "/promotions/1/rollout-plan/",
    "review": "/promotions/1/review/1/",
    "review-summary": "/promotions/1/review/summary/",
    "review-pack": "/promotions/1/review-pack/",
    "models": "/models/",
    "model-new": "/models/new/",
    "model": MODEL,
    "model-champions": f"{MODEL}?tab=champions",
    "lifecycle": f"{MODEL}lifecycle/",
    "version": f"{MODEL}versions/{{version}}/",
    "version-evidence": f"{MODEL}versions/{{version}}/?tab=evidence",
    "version-files": f"{MODEL}versions/{{version}}/?tab=files",
    "batch": f"{MODEL}versions/{{version}}/score/",
    "criteria": f"{MODEL}criteria/",
    "evaluation-plan": f"{MODEL}evaluation-plan/",
    "train": f"{MODEL}train/",
    "search-new": f"{MODEL}search/",
    "log-policy": f"{MODEL}log/",
    "labels": f"{MODEL}labels/",
    "compare": "/compare/?version=flight-delay:1&version=flight-delay:2",
    "runs": "/runs/",
    "explore": "/runs/explore/",
    "searches": "/searches/",
    "search": "/searches/{search}/",
    "prompts": "/prompts/",
    "archive": "/archive/",
    "data-sets": "/datasets/",
    "data-set-new": "/datasets/new/",
    "data-set": DATA,
    "data-set-upload": f"{DATA}upload/",
    "data-set-version": f"{DATA}versions/1/",
    "source-files": f"{DATA}sources/new/files/",
    "source-query": f"{DATA}sources/new/query/",
    "source": f"{DATA}sources/{{source}}/",
    "contract": f"{DATA}contract/",
    "contract-edit": f"{DATA}contract/edit/",
    "contract-check": f"{DATA}checks/{{check}}/",
    "jobs": "/jobs/",
    "job": "/jobs/{job}/",
    "slos": "/slos/",
    "slo-new": "/slos/new/",
    "slos-import": "/slos/import/",
    "slo": "/slos/1/",
    "slo-edit": "/slos/1/edit/",
    "drift": "/drift/",
    "drift-report": "/drift/{report}/",
    "model-drift": f"{MODEL}drift/",
    "drift-policy": f"{MODEL}drift/policy/",
    "model-quality": f"{MODEL}quality/",
    "quality-policy": f"{MODEL}quality/policy/",
    "data-quality": "/data-quality/",
    "model-data-quality": f"{MODEL}data-quality/",
    "prices": f"{MODEL}prices/",
    "retrainings": "/retraining/",
    "retraining": "/retraining/{retraining}/",
    "model-retraining": f"{MODEL}retraining/",
    "retraining-policy": f"{MODEL}retraining/policy/",
    "alerts": "/alerts/",
    "alert": "/alerts/{alert}/",
    "alert-rules": "/alerts/rules/",
    "alert-rule": "/alerts/rules/change/",
    "silences": "/alerts/silences/",
    "runbook": "/alerts/runbooks/",
    "rollouts": "/rollouts/",
    "rollout": "/rollouts/{rollout}/",
    "rollout-differences": "/rollouts/{rollout}/differences/",
    "rollout-plan": f"{MODEL}rollout-plan/",
    "rollout-plan-edit": f"{MODEL}rollout-plan/edit/",
    "rollout-dry-run": f"{MODEL}rollout-plan/dry-run/",
    "scenarios": "/scenarios/",
    "gateways": "/gateways/",
    "predictions": "/predictions/",
    "prediction": "/predictions/?request_id={prediction}",
    "audit": "/audit/",
    "views": "/views/",
    "api-docs": "/api/docs/",
    "settings": "/settings/",
    "policies": "/settings/policies/",
    "confirm": "/confirm/",
    "alert-mail": "/settings/mail/",
    "password": "/settings/password/",
    "team": "/settings/teams/travel/",
    "channels": "/settings/channels/",
    "channel-new": "/settings/channels/new/?kind=mail",
    "channel": "/settings/channels/{channel}/",
    "channel-edit": "/settings/channels/{channel}/edit/",
    "webhooks": "/settings/webhooks/",
    "webhook-new": "/settings/webhooks/new/",
    "webhook": "/settings/webhooks/{webhook}/",
    "webhook-edit": "/settings/webhooks/{webhook}/edit/",
}

# Pages that are not in the sweep, and why.
ELSEWHERE = {
    "criteria_draft": "product's alone, and an engineer sweeps; tests/test_criteria.py looks at it",
    "kit": "tests/test_ui_kit.py looks at it, and takes its pictures piece by piece",
    "prompt": "the demo has no prompts",
    "channel_message": "the demo sends none; tests/test_alert_pages.py looks at it",
    "delivery": "the demo sends none; tests/test_webhook_pages.py looks at it",
}


def furnish(stack):
    """Make, for the pictures, what the demo has none of."""
    channel = {"kind": "mail", "name": "on-call", "roles": ["engineer"], "enabled": False}
    webhook = {"name": "chat", "url": "https://hooks.example.com/in", "events": ["promotion.request"]}
    policy = {"columns": {"seats": "hash"}, "reason": "With the route it leads to an aeroplane."}
    made = [
        stack.api("admin", "POST", "/channels", channel),
        stack.api("engineer", "POST", "/webhooks", webhook),
        stack.api("engineer", "PUT", "/models/flight-delay/log-policy", policy),
    ]
    assert [status for status, _ in made] == [201, 201, 200], made


def pages(stack, version=1):
    """Return the addresses of the pages that there are, by name; ``version`` is the one that is shown."""
    found = {"version": version, "prediction": stack.infer()[1]["id"]}
    for place, path in PLACES.items():
        _, rows = stack.api("viewer", "GET", f"{path}?page_size=1")
        if rows["results"]:
            found[place] = rows["results"][0]["id"]
    lacking = [f"{{{place}}}" for place in PLACES if place not in found]
    there = {name: path for name, path in PAGES.items() if not any(place in path for place in lacking)}
    return {name: path.format(**found) for name, path in there.items()}

"""The self-test of the tool: which weakness makes which scenario breach. Fixed, every scenario holds.

The tool never reads this, nor a switch of the shop: it has to find the weakness by what it measured.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """With `weakness` on, `scenario` breaches `tolerance`, and the finding names the weakness as its cause."""

    scenario: str
    weakness: str
    tolerance: str
    needs: str = ""
    """What the scenario needs that the sandbox has not; there, it is refused."""


PAIRS = (
    Pair("payments-dark-on-the-busiest-day", "no-timeout", "orders-answered"),
    Pair("payments-dark-on-the-busiest-day", "no-fallback", "orders-answered"),
    Pair("payments-slow-not-dead", "no-circuit-breaker", "fast-again-while-it-lasts"),
    Pair("payments-429-storm", "retry-storm", "orders-fast"),
    Pair("payments-brown-out", "no-retry-budget", "orders-fast"),
    Pair("payment-key-revoked", "no-fallback", "orders-answered"),
    Pair("payments-certificate-ran-out", "no-fallback", "orders-answered"),
    Pair("payments-name-does-not-resolve", "no-fallback", "orders-answered", needs="names to look up"),
    Pair("provider-changes-its-answers", "no-fallback", "orders-answered"),
    Pair("answers-lost-after-the-charge", "no-idempotency-key", "nobody-pays-twice"),
    Pair("half-the-checkout-pods-die-at-peak", "single-replica", "no-long-outage"),
    Pair("release-that-cannot-start", "single-replica", "no-long-outage"),
    Pair("killed-with-orders-in-hand", "ack-before-stored", "no-order-lost"),
    Pair("storefront-restarts-at-peak", "no-readiness-probe", "pages-answered-meanwhile"),
    Pair("every-storefront-pod-asked-to-leave", "no-pdb", "no-long-outage"),
    Pair("cache-gone-cold", "cache-stampede", "pages-answered"),
    Pair("inventory-latency-creep", "no-timeout", "orders-fast"),
    Pair("flash-sale", "retry-storm", "orders-fast"),
    Pair("cache-and-provider-together", "no-fallback", "orders-answered"),
    Pair("a-zone-goes-dark", "single-replica", "orders-answered-in-the-dark", needs="docker nodes"),
    Pair("a-node-dies", "single-replica", "no-long-outage", needs="docker nodes"),
)
"""Some scenarios are here twice: one fault on two weaknesses has two causes."""

"""The ledger's first layer: usage facts, stored exactly once."""

from skyriver.platform.ledger.facts import BadFact, UsageFact, UsageSum, read_fact, store_facts, sum_usage
from skyriver.platform.ledger.records import UsageFactRecord

__all__ = ["BadFact", "UsageFact", "UsageFactRecord", "UsageSum", "read_fact", "store_facts", "sum_usage"]

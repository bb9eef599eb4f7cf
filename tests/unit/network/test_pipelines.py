from troth_network import Network, days
from troth_network.pipelines import (
    FIRST_RUN,
    Disclosed,
    alleged_figures,
    as_alleged,
    first_told,
    switch_choices,
)
from troth_network.places import LEFT_OUT, country


def test_as_alleged_nothing_leaves_before_the_first_run(network: Network) -> None:
    assert as_alleged(network, FIRST_RUN - 1) == []
    assert as_alleged(network, FIRST_RUN)


def test_as_alleged_what_left_stays_gone_and_more_follows(network: Network) -> None:
    earlier, later = as_alleged(network, days.POLICY_CHANGED), as_alleged(network, days.SUIT)
    assert {(one.record.id, one.at) for one in earlier} < {(one.record.id, one.at) for one in later}


def test_as_alleged_records_leave_once_after_they_were_written(network: Network) -> None:
    disclosed = as_alleged(network, days.SUIT)
    assert len({one.record.id for one in disclosed}) == len(disclosed)
    assert all((one.record.created_at or 0) <= one.at <= days.SUIT for one in disclosed)
    assert all(one.author.id == one.record.author for one in disclosed)


def test_as_alleged_the_switch_alone_is_trusted(network: Network) -> None:
    choices = switch_choices(network.events)
    disclosed = as_alleged(network, days.SUIT)
    untouched = [one for one in disclosed if not choices[one.author.id]]
    assert untouched
    assert not any(country(one.author.place(one.at) or "") in LEFT_OUT for one in untouched)
    left = {one.record.id for one in disclosed}
    for record in network.records:
        history = choices[record.author or ""]
        if history and history[0][0] < FIRST_RUN and not any(on for _, on in history):
            assert record.id not in left


def test_a_signal_of_off_does_not_stop_the_alleged_pipeline(network: Network) -> None:
    signalled = {
        event["choose"]["subject"]  # type: ignore[call-overload,index]
        for event in network.events
        if "choose" in event and event["choose"]["by"] == "signal"  # type: ignore[call-overload,index]
    }
    assert signalled & {one.author.id for one in as_alleged(network, days.SUIT)}


def test_told_is_by_delivered_notice_or_by_joining_under_the_change(network: Network) -> None:
    told = first_told(network)
    assert 0.5 < len(told) / len(network.members) < 1
    assert all(at >= days.POLICY_CHANGED for at in told.values())
    bounced = {
        event["notice"]["to"]  # type: ignore[call-overload,index]
        for event in network.events
        if isinstance(event.get("notice"), dict) and event["notice"].get("delivered") is False  # type: ignore[union-attr]
    }
    assert any(name not in told for name in bounced)


def test_the_figures_add_up(network: Network) -> None:
    disclosed = as_alleged(network, days.SUIT)
    figures = alleged_figures(network, disclosed, days.SUIT)
    assert figures["records"] == len(disclosed)
    assert all(0 < count <= len(disclosed) for count in figures.values())
    assert figures["InMail of Premium members"] < figures["private messages"] < figures["records"]
    early = sum(one.at < days.POLICY_CHANGED for one in disclosed)
    assert figures["before their author was told"] >= early


def test_premium_counts_as_of_the_day_of_sending(network: Network) -> None:
    disclosed: list[Disclosed] = as_alleged(network, days.SUIT)
    for one in disclosed:
        if one.is_premium_inmail:
            assert one.author.tier(one.record.created_at or 0) == "premium"
            assert one.is_message

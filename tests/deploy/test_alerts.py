"""deploy/observe: its files are good, and each alert fires when it should, and not before."""

import os

import monitoring
import pytest
import yaml

_S = 'job="dormouse-statekeeper"'
_G = 'job="dormouse-gateway"'

# By alert: series, one sample each 5 s; when (seconds) it does not fire yet; when it does. AxN are N + 1 samples of A.
_CASES = {
    "DormouseInstanceDown": ({f"up{{{_G},instance='a'}}": "1x11 0x20"}, 85, 95),
    "DormouseInstanceMissing": ({
        f"up{{{_S},instance='a'}}": "1x60", f"up{{{_S},instance='b'}}": "1x11 stale"}, 170, 185),
    "DormouseNoStatekeeper": ({f"up{{{_S},instance='a'}}": "1x11 0x20"}, 70, 80),
    "DormouseNoGateway": ({f"up{{{_G},instance='a'}}": "1x11 stale"}, 70, 80),
    # 300 of 600 go over to the other in 10 s, which is no alarm; later they do not.
    "DormouseShardsWithoutOwner": ({f"dormouse_member_shards{{{_S},instance='a'}}": "300x5 0 300x5 300x20",
                                    f"dormouse_member_shards{{{_S},instance='b'}}": "300x11 stale"}, 85, 95),
    "DormouseShardsTaken": ({f"dormouse_shard_losses_total{{{_S},instance='a'}}": "0x11 12x20"}, 55, 65),
    "DormouseStatekeeperUnreachable": ({f"dormouse_suspicions_total{{{_S},instance='a'}}": "0x11 1x20"}, 55, 65),
    "DormouseStoreRefuses": ({f"dormouse_store_healthy{{{_S},instance='a',lane='0'}}": "1x40",
                              f"dormouse_store_healthy{{{_S},instance='a',lane='1'}}": "1x11 0x20"}, 65, 75),
    "DormouseChangesFail": ({f"dormouse_commit_failures_total{{{_S},instance='a',lane='0'}}": "0x11 0+5x20"}, 80, 110),
    "DormouseStoreLostWrites": ({f"dormouse_store_losses_total{{{_S},instance='a'}}": "0x11 1x20"}, 55, 65),
    "DormouseRenewalsFail": ({f"dormouse_sync_failures_total{{{_S},instance='a'}}": "0x11 0+1x20"}, 60, 90),
    "DormouseHandOversSlow": ({
        f"dormouse_hand_over_seconds_bucket{{{_S},instance='a',le='{le}'}}": f"0x11 0+{fast}x11 {11 * fast}+{slow}x20"
        for le, fast, slow in (("0.05", 10, 0), ("0.25", 10, 0), ("2.5", 10, 10), ("+Inf", 10, 10))}, 115, 200),
    "DormouseCommitsSlow": ({
        f"dormouse_commit_seconds_bucket{{{_S},instance='a',lane='0',le='{le}'}}": f"0+{rate}x11 {11 * rate}+{later}x40"
        for le, rate, later in (("0.01", 10, 0), ("0.1", 10, 2), ("1", 10, 10), ("+Inf", 10, 10))}, 55, 200),
    "DormouseLoopsLag": ({
        f"dormouse_loop_lag_seconds_bucket{{{_S},instance='a',lane='0',le='{le}'}}": f"0+{rate}x11 {11 * rate}+{later}x40"
        for le, rate, later in (("0.01", 100, 50), ("1", 100, 100), ("+Inf", 100, 100))}, 55, 200),
    "DormouseAlarmsDropped": ({f"dormouse_alarms_dropped_total{{{_S},instance='a',lane='0'}}": "0x11 1x20"}, 55, 65),
    "DormouseRestarted": ({f"process_start_time_seconds{{{_S},instance='a'}}": "5x11 60x3 80x20"}, 70, 90),
    "DormouseMemoryGrows": ({f"process_resident_memory_bytes{{{_G},instance='a'}}": "500000000x11 1000000000x40"}, 110, 130),
    "DormouseDescriptorsShort": ({f"process_open_fds{{{_G},instance='a'}}": "100x11 950x40",
                                  f"process_max_fds{{{_G},instance='a'}}": "1000x60"}, 85, 95),
    "DormouseHubsWaiting": ({f"dormouse_hubs_waiting{{{_S},instance='a',lane='0'}}": "0x11 5x2 0x5 3x20"}, 100, 140),
    "DormouseMessageGivenUp": ({f"dormouse_events_given_up_total{{{_S},instance='a',lane='0'}}": "0x11 1x20"}, 55, 65),
    "DormouseEventsUnreadable": ({f"dormouse_events_unreadable_total{{{_G},instance='a'}}": "0x11 2x20"}, 55, 65),
    "DormouseGatewayGivenUp": ({
        f"dormouse_gateways_given_up_total{{{_S},instance='a',lane='1'}}": "0x11 1x20"}, 55, 65),
    "DormouseEventsUnsettled": ({f"dormouse_events_unsettled{{{_G},instance='a'}}": "9000x11 20000x20"}, 65, 80),
    "DormouseOutboundBacklog": ({
        f"dormouse_outbound_buffer_bytes{{{_G},instance='a'}}": "100000000x11 250000000x20"}, 65, 75),
    "DormouseInboundBacklog": ({
        f"dormouse_inbound_partial_bytes{{{_G},instance='a'}}": "100000000x11 250000000x20"}, 65, 75),
    "DormouseGatewayLags": ({f"dormouse_unacknowledged_bytes{{{_S},instance='a',lane='{lane}'}}": "1000x11 40000000x20"
                             for lane in "01"}, 65, 75),
    "DormouseGatewayFull": ({f"dormouse_refusals_total{{{_G},instance='a',reason='full'}}": "0x11 0+1x20"}, 65, 85),
    "DormouseClientsRefused": ({
        f"dormouse_refusals_total{{{_G},instance='a',reason='token'}}": "0x11 0+50x40"}, 120, 150),
    "DormouseClientsDropped": ({
        f"dormouse_closes_total{{{_G},instance='a',reason='slow_consumer'}}": "0x11 0+50x40",
        f"dormouse_closes_total{{{_G},instance='a',reason='client'}}": "0+500x60"}, 120, 150),
    "DormouseClientsRateLimited": ({f"dormouse_rate_limited_total{{{_G},instance='a'}}": "0x11 0+500x40"}, 115, 150),
    "DormouseLinksRefused": ({
        f"dormouse_link_refusals_total{{{_S},instance='a',reason='token'}}": "0x11 0+1x20"}, 85, 110),
}


def test_files_are_good():
    status, said = monitoring.run("promtool", "check", "config", os.path.join(monitoring.OBSERVE, "prometheus.yml"))
    assert status == 0 and "SUCCESS: 1 rule files found" in said, said
    status, said = monitoring.run("amtool", "check-config", os.path.join(monitoring.OBSERVE, "alertmanager.yml"))
    assert status == 0, said


def test_every_alert_is_tried():
    assert monitoring.alerts().keys() == _CASES.keys()
    for name, rule in monitoring.alerts().items():
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert rule["annotations"].keys() == {"summary", "description"}, name


@pytest.mark.parametrize("alert", _CASES)
def test_alert_fires_in_time(alert, tmp_path):
    series, quiet, fires = _CASES[alert]
    firing = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})'
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({
        "rule_files": [os.path.join(monitoring.OBSERVE, "alerts.yml")], "evaluation_interval": "5s",
        "tests": [{"interval": "5s",
                   "input_series": [{"series": name.replace("'", '"'), "values": values}
                                    for name, values in series.items()],
                   "promql_expr_test": [
                       {"expr": firing, "eval_time": f"{quiet}s", "exp_samples": []},
                       {"expr": firing, "eval_time": f"{fires}s", "exp_samples": [{"labels": "{}", "value": 1}]}]}]}))
    status, said = monitoring.run("promtool", "test", "rules", str(file))
    assert status == 0, said

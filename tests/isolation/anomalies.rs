//! The checkers themselves: each anomaly, made by hand, is found; good histories are accepted.

use super::black_box;
use super::check::check;
use super::history::{History, Kind, Node};
use super::program::Event;

fn read(key: u32, list: &[u32]) -> Event {
    Event::Read { key, list: list.to_vec() }
}

fn append(key: u32, id: u32) -> Event {
    Event::Append { key, id }
}

/// Nodes that all overlap, unless a time says otherwise.
fn node(name: &str, events: impl Into<Vec<Event>>) -> Node {
    let kind = Kind::Committed;
    Node { name: name.into(), kind, events: events.into(), start: 0, end: Some(100) }
}

fn history(nodes: impl Into<Vec<Node>>, finals: &[(u32, &[u32])]) -> History {
    let finals = finals.iter().map(|(key, list)| (*key, list.to_vec())).collect();
    History { nodes: nodes.into(), finals }
}

#[track_caller]
fn is_found(history: &History) {
    assert!(check(history).is_err(), "our own checker accepts it");
    assert!(black_box::check(history).is_err(), "adya accepts it");
}

#[track_caller]
fn is_found_by_our_own(history: &History) {
    assert!(check(history).is_err(), "our own checker accepts it");
}

#[track_caller]
fn is_accepted(history: &History) {
    assert_eq!(check(history), Ok(()));
    assert_eq!(black_box::check(history), Ok(()));
}

#[test]
fn one_after_the_other_is_accepted() {
    is_accepted(&history(
        [
            node("a", [read(1, &[]), append(1, 10)]),
            node("b", [read(1, &[10]), append(1, 11), read(1, &[10, 11]), append(2, 20)]),
            node("c", [read(1, &[10, 11]), read(2, &[20])]),
            node("d", [read(1, &[10]), read(2, &[])]),
        ],
        &[(1, &[10, 11]), (2, &[20])],
    ));
}

#[test]
fn a_lost_update_is_found() {
    is_found(&history(
        [node("a", [read(1, &[]), append(1, 10)]), node("b", [read(1, &[]), append(1, 11)])],
        &[(1, &[10, 11])],
    ));
    is_found_by_our_own(&history(
        [node("a", [read(1, &[]), append(1, 10)]), node("b", [read(1, &[]), append(1, 11)])],
        &[(1, &[11])],
    ));
}

#[test]
fn a_write_twice_is_found() {
    is_found_by_our_own(&history([node("a", [append(1, 10)])], &[(1, &[10, 10])]));
}

#[test]
fn dirty_writes_are_found() {
    is_found(&history(
        [node("a", [append(1, 10), append(2, 20)]), node("b", [append(1, 11), append(2, 21)])],
        &[(1, &[10, 11]), (2, &[21, 20])],
    ));
}

#[test]
fn a_dirty_read_is_found() {
    let aborted = Node { kind: Kind::Aborted, ..node("a", [append(1, 10)]) };
    is_found(&history([aborted, node("b", [read(1, &[10])])], &[(1, &[])]));
}

#[test]
fn half_of_a_transaction_is_found() {
    is_found(&history(
        [node("a", [append(1, 10), append(1, 11)]), node("b", [read(1, &[10])])],
        &[(1, &[10, 11])],
    ));
    is_found(&history(
        [node("a", [append(1, 10), append(2, 20)]), node("b", [read(1, &[10]), read(2, &[])])],
        &[(1, &[10]), (2, &[20])],
    ));
}

#[test]
fn write_skew_is_found() {
    is_found(&history(
        [
            node("a", [read(1, &[]), read(2, &[]), append(1, 10)]),
            node("b", [read(1, &[]), read(2, &[]), append(2, 20)]),
        ],
        &[(1, &[10]), (2, &[20])],
    ));
}

#[test]
fn circular_information_is_found() {
    is_found(&history(
        [node("a", [append(1, 10), read(2, &[20])]), node("b", [append(2, 20), read(1, &[10])])],
        &[(1, &[10]), (2, &[20])],
    ));
}

#[test]
fn a_long_fork_is_found() {
    is_found(&history(
        [
            node("a", [append(1, 10)]),
            node("b", [append(2, 20)]),
            node("c", [read(1, &[10]), read(2, &[])]),
            node("d", [read(1, &[]), read(2, &[20])]),
        ],
        &[(1, &[10]), (2, &[20])],
    ));
}

#[test]
fn a_read_that_changes_is_found() {
    is_found_by_our_own(&history(
        [node("a", [append(1, 10)]), node("b", [read(1, &[]), read(1, &[10])])],
        &[(1, &[10])],
    ));
}

#[test]
fn a_stale_read_is_found() {
    let (mut writer, mut reader) = (node("a", [append(1, 10)]), node("b", [read(1, &[])]));
    (writer.end, reader.start) = (Some(10), 20);
    is_found(&history([writer.clone(), reader.clone()], &[(1, &[10])]));
    (writer.end, reader.start) = (Some(20), 10);
    is_accepted(&history([writer, reader], &[(1, &[10])]));
}

#[test]
fn an_inconsistent_view_of_a_lost_run_is_found() {
    let seen = |events: [Event; 2]| Node { kind: Kind::Seen, end: None, ..node("run", events) };
    let writer = || node("a", [append(1, 10), append(2, 20)]);
    let finals: [(u32, &[u32]); 2] = [(1, &[10]), (2, &[20])];
    is_found(&history([writer(), seen([read(1, &[]), read(2, &[20])])], &finals));
    is_accepted(&history([writer(), seen([read(1, &[10]), read(2, &[20])])], &finals));
}

#[test]
fn what_a_nested_transaction_took_back_does_not_count() {
    let undo = Event::Undo { ids: vec![10] };
    is_accepted(&history(
        [node("a", [append(1, 10), read(1, &[10]), undo.clone(), read(1, &[]), append(1, 11)])],
        &[(1, &[11])],
    ));
    is_found_by_our_own(&history([node("a", [append(1, 10), undo])], &[(1, &[10])]));
}

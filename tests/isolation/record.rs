//! What every attempt saw, also those that never return: noted beside the handlers, by thread.

use std::cell::RefCell;

use super::program::{Event, Outcome};

/// One note. Its position among all notes is its time.
#[derive(Clone, Debug)]
pub(super) enum Note {
    /// Some attempt came to this unit.
    Reached(u32),
    /// A run of a transaction's block began.
    Begun {
        unit: u32,
        run: u32,
    },
    Did {
        run: u32,
        event: Event,
    },
    /// Some attempt had this unit behind it.
    Passed(u32, Outcome),
}

thread_local! {
    static NOTES: RefCell<Vec<Note>> = const { RefCell::new(Vec::new()) };
}

fn add(note: Note) -> usize {
    NOTES.with_borrow_mut(|notes| {
        notes.push(note);
        notes.len()
    })
}

pub(super) fn reached(unit: u32) {
    add(Note::Reached(unit));
}

/// The number of the run.
pub(super) fn begun(unit: u32) -> u32 {
    let run = NOTES.with_borrow(|notes| u32::try_from(notes.len()).unwrap_or(u32::MAX));
    add(Note::Begun { unit, run });
    run
}

pub(super) fn did(run: u32, event: &Event) {
    add(Note::Did { run, event: event.clone() });
}

pub(super) fn passed(unit: u32, outcome: &Outcome) {
    add(Note::Passed(unit, outcome.clone()));
}

pub(super) fn clear() {
    NOTES.with_borrow_mut(Vec::clear);
}

pub(super) fn notes() -> Vec<Note> {
    NOTES.with_borrow(Clone::clone)
}

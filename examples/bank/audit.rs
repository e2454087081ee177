//! What is on the accounts, against what was answered.

use std::collections::HashMap;

use crate::load::Answered;
use crate::service::{Account, OPENING};

#[derive(Debug)]
pub(crate) struct Audit {
    /// What there is more than at the beginning.
    pub(crate) created: i64,
    /// Entries beyond what was answered: second ones, and those of a transfer that was refused.
    pub(crate) duplicates: usize,
    /// Entries that were answered and are not there.
    pub(crate) losses: usize,
}

impl Audit {
    /// A transfer that went through must have left one entry on each of its accounts, and a refused
    /// one none.
    pub(crate) fn new(answered: &[Answered], books: &[Account]) -> Self {
        let created = books.iter().map(|account| account.balance - OPENING).sum();
        let mut entries = HashMap::<(u32, bool), usize>::new();
        for entry in books.iter().flat_map(|account| &account.entries) {
            *entries.entry((entry.transfer, entry.amount > 0)).or_default() += 1;
        }
        let mut audit = Self { created, duplicates: 0, losses: 0 };
        for Answered { transfer, answer, .. } in answered {
            for side in [false, true] {
                let there = entries.remove(&(transfer.id, side)).unwrap_or_default();
                let due = usize::from(answer.is_ok());
                audit.duplicates += there.saturating_sub(due);
                audit.losses += due.saturating_sub(there);
            }
        }
        audit.duplicates += entries.into_values().sum::<usize>();
        audit
    }

    pub(crate) fn is_conserved(&self) -> bool {
        self.created == 0
    }
}

//! The bank: accounts, and transfers between them that happen whole or not at all.
//!
//! ```text
//! transfer (txn) ─┬─ withdraw  (locks the account)
//!                 └─ deposit   (locks the other)
//! ```
//!
//! Every account keeps its entries, so that an audit can tell a transfer that was applied twice, or
//! half, from one that was not. The same functions run on beldi and, for comparison, straight on the
//! store.

use beldi::{App, Table};
use serde::{Deserialize, Serialize};

pub const ACCOUNTS: Table<u32, Account> = Table::new("accounts");

/// What is on an account that nobody has used.
pub const OPENING: i64 = 100;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    pub balance: i64,
    pub entries: Vec<Entry>,
}

/// What a transfer did to an account.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub transfer: u32,
    pub amount: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    pub id: u32,
    pub from: u32,
    pub to: u32,
    pub amount: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoFunds;

impl Account {
    fn opened() -> Self {
        Self { balance: OPENING, entries: Vec::new() }
    }

    fn enter(&mut self, entry: Entry) {
        self.balance += entry.amount;
        self.entries.push(entry);
    }
}

/// Moves the money, if there is enough.
#[beldi::txn]
pub async fn transfer(transfer: Transfer) -> Result<(), NoFunds> {
    let Transfer { id, from, to, amount } = transfer;
    withdraw((from, Entry { transfer: id, amount: -amount })).await?;
    deposit((to, Entry { transfer: id, amount })).await;
    Ok(())
}

/// Takes money off an account that has it.
#[beldi::ssf]
pub async fn withdraw((account, entry): (u32, Entry)) -> Result<(), NoFunds> {
    let mut opened = ACCOUNTS.get(&account).await.unwrap_or_else(Account::opened);
    if opened.balance + entry.amount < 0 {
        return Err(NoFunds);
    }
    opened.enter(entry);
    ACCOUNTS.put(&account, &opened).await;
    Ok(())
}

/// Puts money on an account.
#[beldi::ssf]
pub async fn deposit((account, entry): (u32, Entry)) {
    let mut opened = ACCOUNTS.get(&account).await.unwrap_or_else(Account::opened);
    opened.enter(entry);
    ACCOUNTS.put(&account, &opened).await;
}

/// All accounts that were ever used, for the audit.
#[beldi::ssf(read_only)]
pub async fn books() -> Vec<Account> {
    ACCOUNTS.scan(..).await.into_iter().map(|(_, account)| account).collect()
}

pub fn app() -> App {
    App::new("bank").ssf(transfer).ssf(withdraw).ssf(deposit).ssf(books)
}

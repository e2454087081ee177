//! What goes wrong between a client and a DynamoDB that no emulator does by itself.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use fastrand::Rng;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::STALE;
use super::wire::{Reply, Sent};

/// What may go wrong with a request. See [`WireFaults`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum WireFault {
    /// It never arrives.
    LostRequest,
    /// It is applied, and the reply never arrives.
    LostReply,
    /// It arrives after the client has given it up and sent others.
    Late,
    /// The table takes no more for now.
    Throttled,
    /// The row is part of somebody's transaction.
    Conflict,
    /// A transaction with this token is under way.
    InProgress,
    /// A page has no rows, only a place to go on.
    EmptyPage,
    /// The index shows what was true up to 200 ms ago.
    StaleIndex,
}

/// Every fault, its name in a variable, and how likely it is unless told.
const FAULTS: [(WireFault, &str, f64); 8] = [
    (WireFault::LostRequest, "lost-request", 0.02),
    (WireFault::LostReply, "lost-reply", 0.03),
    (WireFault::Late, "late", 0.03),
    (WireFault::Throttled, "throttle", 0.05),
    (WireFault::Conflict, "conflict", 0.03),
    (WireFault::InProgress, "in-progress", 0.01),
    (WireFault::EmptyPage, "empty-page", 0.2),
    (WireFault::StaleIndex, "stale-index", 0.3),
];

/// What goes wrong how often, and by which seed.
///
/// Read from a list as in `BELDI_DYNAMODB_FAULTS`: a seed alone means everything, at a moderate rate;
/// names pick faults, and may tell how likely they are.
///
/// ```
/// use beldi::testing::dynamodb::{WireFault, WireFaults};
///
/// let all: WireFaults = "17".parse()?;
/// let some: WireFaults = "17, throttle=0.9, lost-reply".parse()?;
/// assert!(all.has(WireFault::Late) && !some.has(WireFault::Late));
/// assert!("thortle".parse::<WireFaults>().unwrap_err().contains("lost-reply"));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug)]
pub struct WireFaults {
    seed: u64,
    likely: BTreeMap<WireFault, f64>,
}

impl WireFaults {
    /// Everything, at a moderate rate.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, likely: FAULTS.map(|(fault, _, likely)| (fault, likely)).into() }
    }

    /// Whether such a fault can happen.
    pub fn has(&self, fault: WireFault) -> bool {
        self.likely.get(&fault).is_some_and(|likely| *likely > 0.0)
    }

    /// The same faults at other moments, for the next world of this thread.
    pub(super) fn for_next_world(self) -> Self {
        thread_local!(static WORLDS: Cell<u64> = const { Cell::new(0) });
        let nth = WORLDS.replace(WORLDS.get() + 1);
        Self { seed: self.seed.wrapping_add(nth), ..self }
    }
}

impl FromStr for WireFaults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut faults = Self { seed: 0, likely: BTreeMap::new() };
        for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
            let (name, number) = word.split_once('=').unwrap_or((word, ""));
            if let Ok(seed) = if name == "seed" { number } else { name }.parse() {
                faults.seed = seed;
                continue;
            }
            let names = || FAULTS.map(|(_, name, _)| name).join(", ");
            let known = FAULTS.into_iter().find(|(_, known, _)| *known == name);
            let (fault, _, usual) =
                known.ok_or_else(|| format!("{word:?} is no seed and none of {}", names()))?;
            let likely = if number.is_empty() { Ok(usual) } else { number.parse() };
            let likely = likely.map_err(|_| format!("{number:?} is no probability"))?;
            faults.likely.insert(fault, likely);
        }
        if faults.likely.is_empty() {
            faults = Self::seeded(faults.seed);
        }
        Ok(faults)
    }
}

/// What becomes of a request.
pub(super) enum Verdict {
    Send,
    /// It does not arrive, and this comes back.
    Answer(Reply),
    Lose,
    LoseReply,
}

/// The faults at work.
pub(super) struct Faulty {
    faults: WireFaults,
    rng: Rng,
    pub(super) injected: BTreeMap<WireFault, u64>,
    /// Requests under way, and how many others arrive before them.
    late: Vec<(u32, Sent)>,
    /// Pages that were announced by an empty one.
    pages: Vec<Reply>,
    /// What the index showed when.
    shown: HashMap<String, Vec<(Instant, Reply)>>,
}

impl Faulty {
    pub(super) fn new(faults: WireFaults) -> Self {
        let rng = Rng::with_seed(faults.seed);
        let (injected, shown) = (BTreeMap::new(), HashMap::new());
        Self { faults, rng, injected, late: Vec::new(), pages: Vec::new(), shown }
    }

    pub(super) fn has(&self, fault: WireFault) -> bool {
        self.faults.has(fault)
    }

    fn happens(&mut self, fault: WireFault) -> bool {
        let likely = self.faults.likely.get(&fault).copied().unwrap_or(0.0);
        let happens = likely > 0.0 && self.rng.f64() < likely;
        if happens {
            *self.injected.entry(fault).or_default() += 1;
        }
        happens
    }

    /// Those late requests that arrive now.
    pub(super) fn late(&mut self) -> Vec<Sent> {
        for (others, _) in &mut self.late {
            *others -= 1;
        }
        self.late.extract_if(.., |(others, _)| *others == 0).map(|(_, sent)| sent).collect()
    }

    /// All of them.
    pub(super) fn all_late(&mut self) -> Vec<Sent> {
        self.late.drain(..).map(|(_, sent)| sent).collect()
    }

    pub(super) fn judge(&mut self, operation: &str, sent: &Sent) -> Verdict {
        if self.happens(WireFault::LostRequest) {
            return Verdict::Lose;
        }
        if self.happens(WireFault::LostReply) {
            return Verdict::LoseReply;
        }
        if self.happens(WireFault::Late) {
            let others = self.rng.u32(1..40);
            self.late.push((others, sent.clone()));
            return Verdict::Lose;
        }
        if self.happens(WireFault::Throttled) {
            return Verdict::Answer(failure("ProvisionedThroughputExceededException"));
        }
        let writes = matches!(operation, "UpdateItem" | "DeleteItem");
        if writes && self.happens(WireFault::Conflict) {
            return Verdict::Answer(failure("TransactionConflictException"));
        }
        if writes && self.happens(WireFault::InProgress) {
            return Verdict::Answer(failure("TransactionInProgressException"));
        }
        self.announced(sent).map_or(Verdict::Send, Verdict::Answer)
    }

    /// The page that goes on where an empty one told.
    fn announced(&self, sent: &Sent) -> Option<Reply> {
        let body: Json = serde_json::from_slice(&sent.body).ok()?;
        let sort = body.get("ExclusiveStartKey")?.get("sk")?.get("S")?.as_str()?;
        let nth: usize = sort.strip_prefix(ANNOUNCED)?.parse().ok()?;
        self.pages.get(nth).cloned()
    }

    /// What the client sees of a reply.
    pub(super) fn shown(&mut self, operation: &str, sent: &Sent, reply: Reply) -> Reply {
        if operation != "Query" || reply.status != 200 {
            return reply;
        }
        let reply = self.stale(sent, reply);
        if !self.happens(WireFault::EmptyPage) {
            return reply;
        }
        self.pages.push(reply);
        let sort = format!("{ANNOUNCED}{}", self.pages.len() - 1);
        let next = json!({ "pk": { "S": "~" }, "sk": { "S": sort } });
        let body = json!({ "Items": [], "Count": 0, "ScannedCount": 0, "LastEvaluatedKey": next });
        Reply { status: 200, body: body.to_string().into_bytes() }
    }

    /// Maybe what the same query of the index would have shown a little earlier.
    fn stale(&mut self, sent: &Sent, reply: Reply) -> Reply {
        let is_of_index = sent.body.windows(11).any(|word| word == b"\"IndexName\"");
        if !is_of_index || !self.has(WireFault::StaleIndex) {
            return reply;
        }
        let now = Instant::now();
        let shown = self.shown.entry(what(sent)).or_default();
        shown.retain(|(at, _)| *at + STALE > now);
        let earlier = shown.first().map(|(_, reply)| reply.clone());
        shown.push((now, reply.clone()));
        match earlier {
            Some(earlier) if self.happens(WireFault::StaleIndex) => earlier,
            _ => reply,
        }
    }
}

/// What is asked for, the same each time it is: the SDK writes its maps in any order.
fn what(sent: &Sent) -> String {
    serde_json::from_slice::<Json>(&sent.body).unwrap_or_default().to_string()
}

/// What the place to go on behind an empty page begins with.
const ANNOUNCED: &str = "~announced-";

fn failure(code: &str) -> Reply {
    let code = format!("com.amazonaws.dynamodb.v20120810#{code}");
    let body = json!({ "__type": code, "message": "injected" });
    Reply { status: 400, body: body.to_string().into_bytes() }
}

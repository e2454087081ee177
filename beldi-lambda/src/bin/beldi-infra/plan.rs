//! What is to be made, whatever the form.

use std::collections::BTreeSet;
use std::str::FromStr;

use beldi::store::{DUE_ORDER, DUE_SHARD, DynamoStore, EXPIRES};

/// How long an invocation may take, in seconds.
pub(crate) const TIMEOUT: u32 = 30;
/// How long a message is invisible to others, in seconds: as AWS advises, six times as long.
pub(crate) const INVISIBLE: u32 = 6 * TIMEOUT;
/// How often a message is delivered before it goes to the dead letters.
const DELIVERIES: u32 = 5;
/// The same of a FIFO queue, where a message waits until those before it in its group are finished: they have
/// five hours. One that can never be taken slows its group down for as long.
const DELIVERIES_IN_ORDER: u32 = 100;
/// How long dead letters are kept, in seconds: as long as SQS can.
pub(crate) const KEPT: u32 = 14 * 24 * 3600;
/// How long logs are kept, in days.
pub(crate) const LOGGED: u32 = 30;
/// The longest name of a function, role or rule.
const LONGEST: usize = 64;

/// What the alarm of the failures queue says.
pub(crate) const FAILED: &str = "Asynchronous invocations or ticks failed for good; they are in the failures \
    queue. What one asked for may have been begun all the same: look at its instance before you invoke again";

/// The payloads that schedules send, with the collector that each makes go.
pub(crate) const TICKS: [(&str, &str); 2] = [
    ("intents", r#"{"beldi":{"tick":"intents"}}"#),
    ("garbage", r#"{"beldi":{"tick":"garbage"}}"#),
];

/// Names that the table must have, from the store that reads it.
pub(crate) struct Table;

impl Table {
    pub(crate) const PARTITION: &str = DynamoStore::PARTITION_KEY;
    pub(crate) const SORT: &str = DynamoStore::SORT_KEY;
    pub(crate) const INDEX: &str = DynamoStore::INDEX;
    pub(crate) const SHARD: &str = DUE_SHARD;
    pub(crate) const ORDER: &str = DUE_ORDER;
    pub(crate) const EXPIRES: &str = EXPIRES;
}

/// A service and all that belongs to it.
pub(crate) struct Plan {
    pub(crate) service: String,
    pub(crate) functions: Vec<Function>,
    pub(crate) peers: Vec<Peer>,
    pub(crate) queues: Vec<Queue>,
    pub(crate) callers: Vec<Caller>,
}

#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The SSF that it stands for, if it is one.
    pub(crate) ssf: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) service: String,
    /// A name, or an ARN.
    pub(crate) function: String,
}

/// Another account's function, which calls this service.
#[derive(Clone)]
pub(crate) struct Caller {
    /// The ARN of its role.
    pub(crate) role: String,
    function: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Queue {
    pub(crate) name: String,
    function: Option<String>,
}

impl Plan {
    pub(crate) fn new(
        service: String,
        functions: Vec<Function>,
        peers: Vec<Peer>,
        queues: Vec<Queue>,
        callers: Vec<Caller>,
    ) -> Result<Self, String> {
        let plan = Self { service, functions, peers, queues, callers };
        let mistake = plan.unknown().or_else(|| plan.too_long()).or_else(|| plan.alike());
        mistake.map_or(Ok(plan), Err)
    }

    /// A function that is not one of the service.
    fn unknown(&self) -> Option<String> {
        let known = |name: &String| self.functions.iter().any(|function| function.name == *name);
        let of_queues = self.queues.iter().filter_map(|queue| queue.function.as_ref());
        let of_callers = self.callers.iter().filter_map(|caller| caller.function.as_ref());
        let unknown = of_queues.chain(of_callers).find(|name| !known(name))?;
        Some(format!("a queue or caller is for `{unknown}`, which is no --function"))
    }

    /// A name that is put together and longer than AWS takes it.
    fn too_long(&self) -> Option<String> {
        let roles = self.functions.iter().map(|function| self.role(function));
        let rules = TICKS.map(|(collector, _)| self.rule(collector));
        let long = roles.chain(rules).find(|name| name.len() > LONGEST)?;
        Some(format!(
            "a role or rule would be called `{long}`, which is longer than {LONGEST} letters: shorten the name \
             of the service or function"
        ))
    }

    /// A name that would stand in a template for two things.
    fn alike(&self) -> Option<String> {
        let functions = self.functions.iter().map(|Function { name, .. }| (camel(name), name));
        let peers = self.peers.iter().map(|Peer { service, .. }| (camel(service), service));
        let queues = self.queues.iter().flat_map(|queue| {
            let id = camel(&queue.name);
            let ids = BTreeSet::from([id.clone() + "Dead", camel(&queue.dead()), id]);
            ids.into_iter().map(|id| (id, &queue.name))
        });
        let failures = self.failures();
        let own = [&*failures, "failures"].into_iter().chain(TICKS.map(|(collector, _)| collector));
        let twice = twice(functions, BTreeSet::new())
            .or_else(|| twice(peers, BTreeSet::new()))
            .or_else(|| twice(queues, own.map(camel).collect()))?;
        Some(format!(
            "`{twice}` is like another name in the template, or differs in `-`, `_` and `.` only"
        ))
    }

    /// The name of the role of a function, where it has one.
    pub(crate) fn role(&self, function: &Function) -> String {
        format!("{}-{}", self.service, function.name)
    }

    /// The name of the rule that makes a collector go, where it has one.
    pub(crate) fn rule(&self, collector: &str) -> String {
        format!("{}-{collector}", self.collector().name)
    }

    /// The name of the queue of asynchronous invocations that failed, which may have no `.`.
    pub(crate) fn failures(&self) -> String {
        format!("{}-failures", self.service.replace('.', "-"))
    }

    /// The function that runs the collectors.
    pub(crate) fn collector(&self) -> &Function {
        &self.functions[0]
    }

    /// The function that takes the messages of a queue.
    pub(crate) fn taker<'p>(&'p self, queue: &'p Queue) -> &'p str {
        queue.function.as_deref().unwrap_or(&self.collector().name)
    }

    /// The roles that may call a function from elsewhere, numbered.
    pub(crate) fn callers_of<'p>(
        &'p self,
        function: &'p Function,
    ) -> impl Iterator<Item = (usize, &'p str)> {
        let taken_by = |caller: &&Caller| {
            *caller.function.as_ref().unwrap_or(&self.collector().name) == function.name
        };
        let roles = self.callers.iter().filter(taken_by).map(|caller| &*caller.role);
        (1..).zip(roles)
    }

    /// The queues whose messages a function takes.
    pub(crate) fn queues_of<'p>(
        &'p self,
        function: &'p Function,
    ) -> impl Iterator<Item = &'p Queue> {
        self.queues.iter().filter(|queue| self.taker(queue) == function.name)
    }
}

impl Peer {
    /// The name of what seals the letters of both services.
    pub(crate) fn key(&self) -> String {
        format!("{}Key", camel(&self.service))
    }
}

impl Queue {
    pub(crate) fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }

    /// Its dead letters.
    pub(crate) fn dead(&self) -> String {
        match self.name.strip_suffix(".fifo") {
            Some(name) => format!("{name}-dead.fifo"),
            None => format!("{}-dead", self.name),
        }
    }

    /// How often a message is delivered before it is one of these.
    pub(crate) fn deliveries(&self) -> u32 {
        if self.is_fifo() { DELIVERIES_IN_ORDER } else { DELIVERIES }
    }

    /// What the alarm of its dead letters says.
    pub(crate) fn alarm(&self) -> String {
        format!(
            "Messages of {name} were not taken in {times} deliveries; they are in {dead}. Some may have been \
             begun all the same, and a redrive begins these again: look at the instance of the message id first",
            name = self.name,
            times = self.deliveries(),
            dead = self.dead()
        )
    }
}

/// The first name of which an id is known already.
fn twice<'n>(
    mut named: impl Iterator<Item = (String, &'n String)>,
    mut known: BTreeSet<String>,
) -> Option<&'n String> {
    named.find_map(|(id, name)| (!known.insert(id)).then_some(name))
}

/// A service's, which is its table's as well.
pub(crate) fn service(name: &str) -> Result<String, String> {
    checked(name, 3, "-_.").ok_or_else(|| {
        format!(
            "a service's name has 3 to {LONGEST} letters, digits, `-`, `_` or `.`, as its table's"
        )
    })
}

/// Another owner's, whose table may be called otherwise.
fn peer(name: &str) -> Result<String, String> {
    let text = || format!("a peer's name has 1 to {LONGEST} letters, digits, `-`, `_` or `.`");
    checked(name, 1, "-_.").ok_or_else(text)
}

fn function(name: &str) -> Result<String, String> {
    let text = || format!("a function's name has 1 to {LONGEST} letters, digits, `-` or `_`");
    checked(name, 1, "-_").ok_or_else(text)
}

fn queue(name: &str) -> Result<String, String> {
    let text = || {
        format!(
            "a queue's name has 1 to {LONGEST} letters, digits, `-` or `_`, and then maybe `.fifo`"
        )
    };
    let before = name.strip_suffix(".fifo").unwrap_or(name);
    checked(before, 1, "-_").ok_or_else(text)?;
    Ok(name.to_owned())
}

/// A name that AWS takes, and that can stand in ARNs and templates.
fn checked(name: &str, shortest: usize, punctuation: &str) -> Option<String> {
    let may_be = |letter: char| letter.is_ascii_alphanumeric() || punctuation.contains(letter);
    let is_one = (shortest..=LONGEST).contains(&name.len()) && name.chars().all(may_be);
    is_one.then(|| name.to_owned())
}

fn arn_or_function(text: &str) -> Result<String, String> {
    if text.starts_with("arn:") && !text.contains(['*', '"', '$', ' ']) {
        return Ok(text.to_owned());
    }
    function(text)
}

impl FromStr for Function {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.split_once('=') {
            Some((name, ssf)) => Self { name: function(name)?, ssf: Some(function(ssf)?) },
            None => Self { name: function(text)?, ssf: None },
        })
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, function) = text.split_once('=').ok_or("it is `service=function`")?;
        Ok(Self { service: peer(name)?, function: arn_or_function(function)? })
    }
}

impl FromStr for Caller {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (role, function) = match text.split_once('=') {
            Some((role, name)) => (role, Some(function(name)?)),
            None => (text, None),
        };
        let is_role =
            role.starts_with("arn:") && role.contains(":iam::") && role.contains(":role/");
        match is_role && !role.contains(['*', '"', '$', ' ']) {
            true => Ok(Self { role: role.to_owned(), function }),
            false => Err("a role is `arn:aws:iam::ACCOUNT:role/NAME`".to_owned()),
        }
    }
}

impl FromStr for Queue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.split_once('=') {
            Some((name, taker)) => Self { name: queue(name)?, function: Some(function(taker)?) },
            None => Self { name: queue(text)?, function: None },
        })
    }
}

/// `order-items` as `OrderItems`.
pub(crate) fn camel(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
    };
    name.split(['-', '_', '.']).map(capital).collect::<Vec<String>>().concat()
}

/// `order-items` as `order_items`; a digit does not come first.
pub(crate) fn snake(name: &str) -> String {
    let before = if name.starts_with(|first: char| first.is_ascii_digit()) { "_" } else { "" };
    format!("{before}{}", name.replace(['-', '.'], "_"))
}

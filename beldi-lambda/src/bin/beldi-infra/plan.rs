//! What is to be made, whatever the form.

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
        let known = |name: &String| functions.iter().any(|function| function.name == *name);
        let of_queues = queues.iter().filter_map(|queue| queue.function.as_ref());
        let of_callers = callers.iter().filter_map(|caller| caller.function.as_ref());
        match of_queues.chain(of_callers).find(|name| !known(name)) {
            Some(name) => Err(format!("a queue or caller is for `{name}`, which is no --function")),
            None => Ok(Self { service, functions, peers, queues, callers }),
        }
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

/// A name that can stand in ARNs and templates.
pub(crate) fn name(name: &str) -> Result<String, String> {
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match !name.is_empty() && name.len() <= 64 && name.bytes().all(may_be) {
        true => Ok(name.to_owned()),
        false => Err("a name has 1 to 64 letters, digits, `-`, `_` or `.`".to_owned()),
    }
}

fn arn_or_name(text: &str) -> Result<String, String> {
    if text.starts_with("arn:") && !text.contains(['*', '"', '$', ' ']) {
        return Ok(text.to_owned());
    }
    name(text)
}

impl FromStr for Function {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.split_once('=') {
            Some((function, ssf)) => Self { name: name(function)?, ssf: Some(name(ssf)?) },
            None => Self { name: name(text)?, ssf: None },
        })
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (service, function) = text.split_once('=').ok_or("it is `service=function`")?;
        Ok(Self { service: name(service)?, function: arn_or_name(function)? })
    }
}

impl FromStr for Caller {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (role, function) = match text.split_once('=') {
            Some((role, function)) => (role, Some(name(function)?)),
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
            Some((queue, function)) => Self { name: name(queue)?, function: Some(name(function)?) },
            None => Self { name: name(text)?, function: None },
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

/// `order-items` as `order_items`.
pub(crate) fn snake(name: &str) -> String {
    name.replace(['-', '.'], "_")
}

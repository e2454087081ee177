//! The table, and the page of the documentation that has it.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;

use crate::samples::Samples;
use crate::{Operation, ROWS, Result};

/// One operation, measured in three ways.
pub(crate) struct Line {
    pub(crate) operation: Operation,
    pub(crate) is_long: bool,
    pub(crate) raw: Samples,
    pub(crate) step: Samples,
    pub(crate) request: Samples,
}

pub(crate) struct Report {
    pub(crate) delay: u64,
    pub(crate) rounds: u32,
    pub(crate) lines: Vec<Line>,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::CondWriteTrue => "conditional write, true",
            Self::CondWriteFalse => "conditional write, false",
            Self::Call => "call",
        }
    }

    /// Requests of the original system, one after the other, and of its request as a whole.
    fn original(self) -> &'static str {
        match self {
            Self::Read | Self::CondWriteFalse => "3",
            Self::Write | Self::CondWriteTrue => "2",
            Self::Call => "4",
        }
    }
}

impl Report {
    /// Puts the table into the page.
    pub(crate) fn write(&self) -> Result<()> {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/performance.md");
        let mut text = BEFORE.replace("{delay}", &self.delay.to_string());
        text = text.replace("{rounds}", &self.rounds.to_string());
        text = text.replace("{rows}", &ROWS.to_string());
        write!(text, "{self}{AFTER}")?;
        Ok(fs::write(page, text)?)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| operation | log of the key | DynamoDB p50 / p99, ms | step p50 / p99, ms | ratio | request p50 / p99, ms | its requests | original, requests of the step |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, is_long, raw, step, request } = self;
        let log = if *is_long { format!("{ROWS} rows") } else { "fresh".to_owned() };
        // There is nothing to divide by where DynamoDB is not asked.
        let (alone, ratio) = if raw.requests() > 0.0 {
            let ratio = |percent| step.percentile(percent) / raw.percentile(percent);
            (pair(raw), format!("{:.2} / {:.2}", ratio(50), ratio(99)))
        } else {
            ("–".to_owned(), "–".to_owned())
        };
        write!(
            f,
            "| {} | {log} | {alone} | {} | {ratio} | {} | {:.2} | {} |",
            operation.name(),
            pair(step),
            pair(request),
            request.requests(),
            operation.original(),
        )
    }
}

fn pair(samples: &Samples) -> String {
    format!("{:.2} / {:.2}", samples.percentile(50), samples.percentile(99))
}

const BEFORE: &str = "\
# Performance on DynamoDB

The original system's microbenchmark: each operation alone, on a key that is new and on one whose log has {rows} rows. DynamoDB is
dynoxide in memory, behind a proxy that keeps every request for {delay} ms, so that what counts is how often it is asked, as with
the real one. {rounds} rounds; in each, DynamoDB alone (the SDK, one request), a step, and a request, one after the other. Written by

```sh
cargo bench -p cloud --bench operations -- --write
```

";

const AFTER: &str = "
- **step**: the operation inside a handler that is under way, from its await to its value. Ratio: step to DynamoDB alone, p50 and p99.
- **request**: a call from outside, with a key of its own, of an SSF that does nothing but this operation, to the reply; and all
  requests that it makes in DynamoDB, those after the reply too. Reads are logged before a reply that somebody may rely on, blind writes
  register their root first.
- **call**: of an SSF in the same service that does nothing. Without beldi that is a function call, which asks nobody; so there is
  nothing to compare with.
- **original**: requests of the step, one after the other, in the Go implementation of the paper.
- That a log has many rows makes no difference: the newest stands at a fixed key and has the value. A full head is spilled at every
  sixteenth write, with three requests more. On the key with many rows that falls to one of sixteen steps that write, and to one of
  sixteen requests that do: their p99 shows it. The head of a fresh key is never full.
- Absolute times are those of one machine with two cores and other things to do, which is also what the slowest hundredths
  show; the ratios of the medians are what to compare.
";

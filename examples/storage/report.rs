//! The results, for people and for programs.

use std::fmt;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use serde_json::{Value, json};

use crate::Result;
use crate::args::Args;
use crate::run::{SAMPLES_IN_A_TENTH, Sample};

/// Both runs.
pub(crate) struct Report<'a> {
    pub(crate) args: &'a Args,
    pub(crate) with: Vec<Sample>,
    pub(crate) without: Vec<Sample>,
}

/// The last tenth divided by the first.
struct Ratios {
    cost: f64,
    bytes: f64,
}

/// So much more may be needed at the end.
const MOST: f64 = 1.1;

impl Report<'_> {
    /// Fails if with the collector more is needed as time goes by.
    pub(crate) fn check(&self) -> Result<()> {
        let Ratios { cost, bytes } = Ratios::of(&self.with);
        if cost > MOST || bytes > MOST {
            return Err(format!(
                "with the collector a request costs {cost:.2} times as much at the end as at the \
                 beginning, and {bytes:.2} times as much is stored: more than {MOST}"
            )
            .into());
        }
        Ok(())
    }

    pub(crate) fn json(&self) -> Value {
        let (with, without) = (Ratios::of(&self.with), Ratios::of(&self.without));
        json!({
            "cost_ratio": with.cost,
            "bytes_ratio": with.bytes,
            "without": { "cost_ratio": without.cost, "bytes_ratio": without.bytes },
        })
    }
}

impl Ratios {
    fn of(samples: &[Sample]) -> Self {
        let tenths = tenths(samples);
        let ratio = |figure: fn(&Sample) -> f64| match (tenths.first(), tenths.last()) {
            (Some(first), Some(last)) => mean(last, figure) / mean(first, figure),
            _ => f64::NAN,
        };
        let rounded = |ratio: f64| (ratio * 1000.0).round() / 1000.0;
        let cost = rounded(ratio(|sample| sample.cost));
        Self { cost, bytes: rounded(ratio(|sample| sample.bytes.total() as f64)) }
    }
}

/// What counts, in ten parts.
fn tenths(samples: &[Sample]) -> Vec<&[Sample]> {
    let warm_up = samples.iter().take_while(|sample| sample.minutes <= 0.0).count();
    samples[warm_up..].chunks(SAMPLES_IN_A_TENTH as usize).collect()
}

fn mean(samples: &[Sample], figure: impl Fn(&Sample) -> f64) -> f64 {
    samples.iter().map(figure).sum::<f64>() / samples.len() as f64
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Args { minutes, rate, seed, .. } = self.args;
        writeln!(f, "{rate} requests a second for {minutes} minutes of virtual time, seed {seed}")?;
        for (name, samples) in [("with", &self.with), ("without", &self.without)] {
            let Ratios { cost, bytes } = Ratios::of(samples);
            writeln!(f, "\n{name} the garbage collector, in kB:\n{}", table(samples))?;
            writeln!(f, "from the first tenth to the last: cost × {cost}, stored × {bytes}")?;
        }
        Ok(())
    }
}

fn table(samples: &[Sample]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header([
        "tenth",
        "round trips",
        "store requests",
        "rows",
        "stored",
        "values",
        "all else",
        "marks",
        "heads",
        "older rows",
        "requests",
        "tombstones",
    ]);
    for (number, tenth) in tenths(samples).into_iter().enumerate() {
        let kilobytes = |bytes: fn(&Sample) -> usize| {
            format!("{:.1}", mean(tenth, |sample| bytes(sample) as f64) / 1000.0)
        };
        table.add_row([
            (number + 1).to_string(),
            format!("{:.2}", mean(tenth, |sample| sample.cost)),
            format!("{:.2}", mean(tenth, |sample| sample.store_requests)),
            format!("{:.0}", mean(tenth, |sample| sample.bytes.rows as f64)),
            kilobytes(|sample| sample.bytes.total()),
            kilobytes(|sample| sample.bytes.values),
            kilobytes(|sample| sample.bytes.total() - sample.bytes.values),
            kilobytes(|sample| sample.bytes.marks),
            kilobytes(|sample| sample.bytes.heads),
            kilobytes(|sample| sample.bytes.older_rows),
            kilobytes(|sample| sample.bytes.requests),
            kilobytes(|sample| sample.bytes.tombstones),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

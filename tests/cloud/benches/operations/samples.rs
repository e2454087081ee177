//! Times, and what they come to.

use std::time::Duration;

/// How long something took each time, and how many requests that were in all.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    times: Vec<Duration>,
    requests: u64,
}

impl Samples {
    pub(crate) fn add(&mut self, took: Duration, requests: u64) {
        self.times.push(took);
        self.requests += requests;
    }

    /// Milliseconds that so many percent did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let mut times = self.times.clone();
        times.sort_unstable();
        let last = times.len().saturating_sub(1);
        let time = times.get((times.len() * percent / 100).min(last));
        time.copied().unwrap_or_default().as_secs_f64() * 1e3
    }

    /// How many each time.
    pub(crate) fn requests(&self) -> f64 {
        self.requests as f64 / self.times.len().max(1) as f64
    }
}

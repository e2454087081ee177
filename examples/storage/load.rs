//! The load: requests of four kinds, one after the other, at even intervals.

use std::time::Duration;

use beldi::testing::World;

use crate::Result;
use crate::args::Args;
use crate::run::WARM_UP;
use crate::service::{PAGES_KEPT, copy, draft, swap, visit};

/// For how long requests come that count.
pub(crate) fn time(args: &Args) -> Duration {
    Duration::from_secs(60) * args.minutes
}

/// When each request comes, from the beginning of the warm-up on.
pub(crate) fn times(args: &Args) -> impl ExactSizeIterator<Item = Duration> + use<> {
    let (rate, seconds) = (args.rate, (WARM_UP + time(args)).as_secs());
    let requests = u32::try_from(seconds).unwrap_or(u32::MAX).saturating_mul(rate);
    (0..requests).map(move |number| Duration::from_secs(1) * number / rate)
}

/// Draws requests: seven of ten are visits, one each a copy, a swap and a draft.
pub(crate) struct Load {
    random: fastrand::Rng,
    drafts: u32,
}

impl Load {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), drafts: 0 }
    }

    /// Makes the next request, up to the reply.
    pub(crate) async fn ask(&mut self, world: &World) -> Result<()> {
        match self.random.u32(..10) {
            0 => world.call(copy(self.two_pages())).await?,
            1 => world.call(swap(self.two_pages())).await??,
            2 => {
                self.drafts += 1;
                world.call(draft(self.drafts)).await?;
            }
            _ => drop(world.call(visit(self.random.u32(..PAGES_KEPT))).await?),
        }
        Ok(())
    }

    fn two_pages(&mut self) -> (u32, u32) {
        let first = self.random.u32(..PAGES_KEPT);
        (first, (first + self.random.u32(1..PAGES_KEPT)) % PAGES_KEPT)
    }
}

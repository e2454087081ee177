//! The same app in memory, on virtual time, with everything going wrong that can.
//!
//! ```no_run
//! # use beldi_core as beldi;
//! use beldi::testing::World;
//!
//! # fn example<S: beldi::Ssf<Output = bool>>(app: fn() -> beldi::App, reserve_room: fn(String) -> beldi::Call<S>) {
//! # const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");
//! let visited = World::crash_everywhere(
//!     || World::new(app()).row(ROOMS, "ritz", &1),
//!     async |world| world.call(reserve_room("ritz".into())).await.unwrap(),
//!     |world, reserved| {
//!         assert!(reserved);
//!         assert_eq!(world.peek(ROOMS, "ritz"), Some(0));
//!     },
//! );
//! println!("{visited}");
//! # }
//! ```

pub mod conformance;
mod everywhere;
mod explore;
mod faulty;
mod outside;
mod raw;
mod world;

pub use everywhere::Visited;
pub use explore::{Explored, explore};
pub use faulty::{Counts, Fault, FaultyStore, Gate, Request, RequestKind};
pub use outside::{VirtualOutside, in_virtual_time};
pub use raw::RawHost;
pub use world::{World, WorldCall};

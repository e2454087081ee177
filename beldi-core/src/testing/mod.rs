//! The same app in memory, on virtual time, with everything going wrong that can.
//!
//! | to find out | use |
//! |---|---|
//! | what one call does | [`World::call`], [`World::peek`], [`World::settle`] |
//! | whether it survives every crash | [`World::crash_everywhere`], [`World::crash_everywhere_twice`] |
//! | whether two attempts at once do harm | [`World::second_attempt_everywhere`] |
//! | what nobody thought of | [`explore`], over [`seeds`] |
//! | what happens at each request of a test's own | [`Points`] |
//! | what happens at one request | [`FaultyStore::script`], with [`World::store`] |
//! | what lost, doubled and late letters between services do | [`World::post`] |
//! | what it costs | [`FaultyStore::counts`], [`FaultyStore::latency`] |
//! | what it would be without beldi | [`RawHost`] |
//! | whether a store is one | [`conformance`] |

mod audit;
pub mod conformance;
#[cfg(feature = "testing-dynamodb")]
pub mod dynamodb;
mod environment;
mod everywhere;
mod explore;
mod faulty;
mod outside;
mod points;
mod post;
mod raw;
mod rows;
mod world;

pub use crate::weakness::Weakness;
pub use environment::seeds;
pub use explore::{Explored, explore};
pub use faulty::{Counts, Fault, FaultyStore, Gate, Request, RequestKind};
pub use outside::{VirtualOutside, in_virtual_time};
pub use points::{Points, Visited};
pub use post::{Post, PostFault};
pub use raw::RawHost;
pub use world::{World, WorldCall};

//! The HTTP front, over real connections: each row of its tables of answers and problems.

mod answers;
mod instances;
mod life;
mod problems;
mod served;
mod service;

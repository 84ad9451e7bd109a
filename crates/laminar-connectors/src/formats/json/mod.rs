//! Where the objects of a JSON text stand: one a line, the items of an array, or inside a document.
//!
//! * [`shape`]: which of these a text is, by its start. [`framer`]: one object after the other.
//! * [`document`]: the objects of arrays and documents, found as they stream by. [`scanner`]: where one value ends.
//! * [`sampler`]: which columns the objects have.

mod document;
mod framer;
mod sampler;
mod scanner;
mod shape;

pub use framer::JsonLayout;
pub(super) use framer::{Framed, Framer};
pub use sampler::JsonSampler;

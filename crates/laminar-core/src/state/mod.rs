//! Memory: what operators keep, and its images.

pub mod image;

pub use image::{ImageTable, Imaged, StateImage};

//! Parquet files: read batch by batch, written row group by row group, so memory does not grow with the file.

mod columns;
mod failure;
mod footer;
mod layout;
mod pages;
mod reader;
mod seconds;
#[cfg(test)]
mod tests;
mod thrift;
mod weight;
mod writer;

pub use reader::{ParquetReader, is_complete, parquet_schema};
pub use writer::{ParquetCompression, ParquetWriter, writable_rows};

//! Parquet files: read batch by batch, written row group by row group, so memory does not grow with the file.

mod reader;
mod seconds;
mod writer;

pub use reader::{ParquetReader, is_complete, parquet_schema};
pub use writer::{ParquetCompression, ParquetWriter};

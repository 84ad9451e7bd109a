//! Rows and states as blocks of a store.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use laminar_core::state::StateImage;
use laminar_core::{ChangeBatch, Code, Error, Result};
use laminar_storage::encoding::{decode_changes, decode_image, encode_changes, encode_image};
use laminar_storage::{BlockId, Store};

/// Tables smaller than this stand in one block with those beside them.
const BLOCK_BYTES_MIN: usize = 64 << 10;
/// What the only table of a block is called that holds nothing but rows.
const ROWS: &str = "rows";

/// Writes blocks, and remembers which.
pub(crate) struct BlockWriter<'a> {
    store: &'a Store,
    written: BTreeSet<BlockId>,
}

impl<'a> BlockWriter<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Self { store, written: BTreeSet::new() }
    }

    /// The blocks of a state, in order: large tables alone, so that one which has not changed is not written again.
    pub(crate) fn state(&mut self, image: StateImage) -> Result<Vec<String>> {
        let (mut blocks, mut open, mut bytes) = (Vec::new(), StateImage::default(), 0);
        for table in image.tables {
            let size = table.rows().get_array_memory_size();
            if bytes > 0 && bytes + size > BLOCK_BYTES_MIN {
                blocks.push(self.image(&std::mem::take(&mut open))?);
                bytes = 0;
            }
            open.tables.push(table);
            bytes += size.max(1);
        }
        if bytes > 0 {
            blocks.push(self.image(&open)?);
        }
        Ok(blocks)
    }

    /// The block of some rows.
    pub(crate) fn rows(&mut self, rows: &RecordBatch) -> Result<String> {
        let mut image = StateImage::default();
        image.push(ROWS, rows.clone());
        self.image(&image)
    }

    /// The block of an image, whatever its size.
    pub(crate) fn image(&mut self, image: &StateImage) -> Result<String> {
        let block = self.store.put_block(&encode_image(image)?)?;
        self.written.insert(block);
        Ok(block.to_string())
    }

    /// All blocks that were written.
    pub(crate) fn finish(self) -> Vec<BlockId> {
        self.written.into_iter().collect()
    }
}

/// Reads blocks.
#[derive(Clone, Copy)]
pub(crate) struct BlockReader<'a>(pub(crate) &'a Store);

impl BlockReader<'_> {
    pub(crate) fn state(self, blocks: &[String]) -> Result<StateImage> {
        let mut image = StateImage::default();
        for block in blocks {
            image.tables.extend(self.image(block)?.tables);
        }
        Ok(image)
    }

    pub(crate) fn rows(self, block: &str) -> Result<RecordBatch> {
        self.image(block)?.get(ROWS).cloned()
    }

    pub(crate) fn image(self, block: &str) -> Result<StateImage> {
        decode_image(&self.0.get_block(block.parse()?)?)
    }
}

pub(super) fn schema_to_text(schema: &SchemaRef) -> Result<String> {
    Ok(to_hex(&encode_changes(&ChangeBatch::empty(Arc::clone(schema)))?))
}

pub(super) fn schema_from_text(text: &str) -> Result<SchemaRef> {
    let rows = decode_changes(&from_hex(text)?)?;
    // Whatever the encoding added is not of the columns.
    Ok(Arc::new(Schema::clone(&rows.schema())))
}

/// Bytes as hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that [`to_hex`] made digits of.
pub(crate) fn from_hex(text: &str) -> Result<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok().filter(|_| pair.len() == 2);
    digits.map(|pair| byte(pair).ok_or_else(|| Error::new(Code::BadData, "these are no hexadecimal digits"))).collect()
}

//! Rows and states as blocks of a store.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use laminar_core::limits::IMAGE_TABLE_BYTES_MIN;
use laminar_core::state::{ImageTable, StateImage, TableVersion};
use laminar_core::{ChangeBatch, Code, Error, Result};
use laminar_storage::encoding::{decode_changes, decode_image, encode_changes, encode_image};
use laminar_storage::{BlockId, Store};

/// So many blocks of a state are read ahead by the disk: it reads many at once faster than one after the other.
const BLOCKS_AHEAD: usize = 32;
/// What the only table of a block is called that holds nothing but rows.
const ROWS: &str = "rows";

/// The blocks of tables that a checkpoint has, each of which stands alone in its block.
pub(crate) type TableBlocks = HashMap<TableVersion, BlockId>;

/// Writes blocks, and remembers which.
pub(crate) struct BlockWriter<'a> {
    store: &'a Store,
    /// What the last checkpoint has.
    last: &'a TableBlocks,
    /// All that this one has.
    blocks: BTreeSet<BlockId>,
    tables: TableBlocks,
}

impl<'a> BlockWriter<'a> {
    pub(crate) fn new(store: &'a Store, last: &'a TableBlocks) -> Self {
        Self { store, last, blocks: BTreeSet::new(), tables: TableBlocks::new() }
    }

    /// The blocks of a state, in order: large tables alone, so that one which has not changed is neither looked at nor written again.
    pub(crate) fn state(&mut self, image: StateImage) -> Result<Vec<String>> {
        let (mut blocks, mut open, mut bytes) = (Vec::new(), StateImage::default(), 0);
        for table in image.tables {
            let known = table.version.and_then(|version| self.last.get(&version).copied());
            let size = table.bytes();
            let is_alone = known.is_some() || size >= IMAGE_TABLE_BYTES_MIN;
            if bytes > 0 && (is_alone || bytes + size > IMAGE_TABLE_BYTES_MIN) {
                blocks.push(self.image(&std::mem::take(&mut open))?);
                bytes = 0;
            }
            if is_alone {
                blocks.push(self.table(table, known)?);
            } else {
                open.tables.push(table);
                bytes += size.max(1);
            }
        }
        if bytes > 0 {
            blocks.push(self.image(&open)?);
        }
        Ok(blocks)
    }

    /// The block of a table that stands alone.
    fn table(&mut self, table: ImageTable, known: Option<BlockId>) -> Result<String> {
        let version = table.version;
        let block = match known {
            Some(block) => block,
            None => self.put(&StateImage { tables: vec![table] })?,
        };
        self.blocks.insert(block);
        self.tables.extend(version.map(|version| (version, block)));
        Ok(block.to_string())
    }

    /// The block of some rows.
    pub(crate) fn rows(&mut self, rows: &RecordBatch) -> Result<String> {
        let mut image = StateImage::default();
        image.push(ROWS, rows.clone());
        self.image(&image)
    }

    /// The block of an image, whatever its size.
    pub(crate) fn image(&mut self, image: &StateImage) -> Result<String> {
        Ok(self.put(image)?.to_string())
    }

    fn put(&mut self, image: &StateImage) -> Result<BlockId> {
        let block = self.store.put_block(&encode_image(image)?)?;
        self.blocks.insert(block);
        Ok(block)
    }

    /// All blocks of the checkpoint, and which of its tables stand alone.
    pub(crate) fn finish(self) -> (Vec<BlockId>, TableBlocks) {
        (self.blocks.into_iter().collect(), self.tables)
    }
}

/// Reads blocks.
#[derive(Clone, Copy)]
pub(crate) struct BlockReader<'a>(pub(crate) &'a Store);

impl BlockReader<'_> {
    pub(crate) fn state(self, blocks: &[String]) -> Result<StateImage> {
        let ids = blocks.iter().map(|block| block.parse()).collect::<Result<Vec<BlockId>>>()?;
        ids.iter().take(BLOCKS_AHEAD).for_each(|id| self.0.read_block_ahead(*id));
        let mut image = StateImage::default();
        for (at, id) in ids.iter().enumerate() {
            ids.get(at + BLOCKS_AHEAD).into_iter().for_each(|id| self.0.read_block_ahead(*id));
            image.tables.extend(decode_image(&self.0.get_block(*id)?)?.tables);
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

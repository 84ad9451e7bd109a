//! A state image: how many tables, then for each its name, its length and itself.

use arrow_buffer::Buffer;
use laminar_core::state::{ImageTable, StateImage};
use laminar_core::{Code, Error, Result};

use super::cursor::{Cursor, put_text};
use super::header::{Kind, framed, unframed};
use super::table::{read_table, table_within, write_table};

/// An image as bytes.
pub fn encode_image(image: &StateImage) -> Result<Vec<u8>> {
    let count = u32::try_from(image.tables.len())
        .map_err(|_| Error::new(Code::LimitReached, "a state image of more than 2^32 tables"))?;
    framed(Kind::Image, 0, |into| {
        into.extend_from_slice(&count.to_le_bytes());
        image.tables.iter().try_for_each(|table| write_named(table, into))
    })
}

fn write_named(table: &ImageTable, into: &mut Vec<u8>) -> Result<()> {
    put_text(&table.name, into)?;
    let length_at = into.len();
    into.extend_from_slice(&[0; 8]);
    write_table(table.rows()?, into)?;
    let length = (into.len() - length_at - 8) as u64;
    into[length_at..length_at + 8].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// The image that [`encode_image`] wrote, which may share the memory of `bytes`. Damaged or foreign bytes are an error (`BadData`, `NotSupported`).
pub fn decode_image(bytes: &Buffer) -> Result<StateImage> {
    let (_, body) = unframed(bytes, Kind::Image, 0)?;
    let mut cursor = Cursor::new(body);
    let mut image = StateImage::default();
    for _ in 0..cursor.u32("number of tables")? {
        let name = cursor.text("name of a table")?;
        let length = usize::try_from(cursor.u64("length of a table")?).unwrap_or(usize::MAX);
        let table = cursor.bytes(length, name)?;
        image.push(name, read_table(table_within(bytes, table))?);
    }
    cursor.finish("the state image")?;
    Ok(image)
}

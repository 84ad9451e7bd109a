//! `CREATE LOOKUP TABLE name (columns, PRIMARY KEY (…)) FROM CONNECTOR (…) FORMAT … [WITH (cache_rows = …, cache_ttl = …)]`.

use laminar_core::{Code, Error, Result};

use super::columns;
use super::connector::{self, Direction};
use super::create::Head;
use super::dispatch::not_built;
use super::statement::{CreateLookup, OptionDef};
use super::tokens::Cursor;

/// Reads what follows the table's name.
pub(super) fn rest(cursor: &mut Cursor<'_>, head: Head) -> Result<CreateLookup> {
    let mut definition = columns::definition_or_key(cursor, &head.name)?;
    let Head { name, if_not_exists, or_replace, .. } = head;
    if let Some(span) = definition.constraints.first_span() {
        let instead = "compute columns and filter rows in the view that looks them up";
        return Err(not_built("DEFAULT, GENERATED or CHECK in a lookup table", span, instead));
    }
    if let Some(watermark) = &definition.watermark {
        let text = "a lookup table has no watermark: its rows are asked for as they are when another row comes";
        return Err(Error::new(Code::InvalidWindow, text).with_hint("leave it out, or CREATE SOURCE").at(watermark.span));
    }
    if definition.primary_key.is_empty() {
        let error = Error::new(Code::InvalidQuery, format!("lookup table '{}' has no key to ask by", name.text)).at(name.span);
        return Err(error
            .with_hint("write PRIMARY KEY behind a column, or (PRIMARY KEY (id)) if the columns are to be found in the data"));
    }
    let Some(mut connector) = connector::optional(cursor, Direction::From)? else {
        let error = cursor.expected("FROM connector (…)");
        return Err(error.with_hint("a lookup table says where its rows stand, as in FROM FILE (path = 'users.csv'); rows that the database keeps are in a TABLE"));
    };
    let mut cache: Vec<OptionDef> = connector.options.extract_if(.., |option| option.key.starts_with("cache_")).collect();
    if cursor.take_word("WITH") {
        for option in connector::options(cursor)? {
            if !option.key.starts_with("cache_") {
                let text = format!("the option '{}' stands behind the connector", option.key);
                let error = Error::new(Code::UnknownOption, text).at(option.span);
                return Err(error.with_hint("write the connector's options in its own parentheses: FROM FILE (path = '…')"));
            }
            cache.push(option);
        }
    }
    connector::refuse_repeated(&cache)?;
    columns::require_keys(&mut definition.columns, &definition.primary_key);
    let (columns, primary_key) = (definition.columns, definition.primary_key);
    Ok(CreateLookup { name, if_not_exists, or_replace, columns, primary_key, connector, cache })
}

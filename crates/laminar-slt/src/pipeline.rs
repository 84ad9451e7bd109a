//! A script as a test runs it: what comes from outside comes from the test, and nothing is written.

use laminar_db::{Code, Error, ParsedStatement, Result, Statement};

/// Where a sink of a script writes in a test.
const NOWHERE: &str = "blackhole";

/// The statement without its connector; `None` if it only shows something. Fails if the connector alone knows the columns.
pub(crate) fn without_connectors(parsed: &ParsedStatement) -> Result<Option<ParsedStatement>> {
    let mut inner = parsed.clone();
    match &mut inner.statement {
        Statement::CreateSource(source) => {
            if let Some(connector) = source.connector.take()
                && source.columns.is_empty()
            {
                let text = format!("the columns of source '{}' are known only to its connector", source.name.text);
                return Err(Error::new(Code::NotSupported, text)
                    .with_hint("a test reads no connectors: declare the columns in CREATE SOURCE")
                    .at(connector.span));
            }
            source.alignment.clear();
        }
        Statement::CreateTable(table) => {
            if let Some(connector) = table.connector.take()
                && table.columns.is_empty()
            {
                let text = format!("the columns of table '{}' are known only to its connector", table.name.text);
                return Err(Error::new(Code::NotSupported, text)
                    .with_hint("a test reads no connectors: declare the columns in CREATE TABLE")
                    .at(connector.span));
            }
        }
        Statement::CreateLookup(lookup) => {
            let text = format!("a test reads no connectors, so nothing answers for the lookup table '{}'", lookup.name.text);
            return Err(Error::new(Code::NotSupported, text)
                .with_hint("run the script over a small file: laminar run")
                .at(lookup.connector.span));
        }
        Statement::CreateSink(sink) => {
            sink.connector.name = NOWHERE.to_owned();
            sink.connector.options.clear();
            sink.connector.format = None;
        }
        Statement::Select(_)
        | Statement::Subscribe(_)
        | Statement::Fetch(_)
        | Statement::Acknowledge(_)
        | Statement::Show(_)
        | Statement::Describe(_)
        | Statement::Explain(_)
        | Statement::ExplainObject(_)
        | Statement::Verify(_)
        | Statement::Checkpoint
        | Statement::Backup(_) => return Ok(None),
        _ => {}
    }
    Ok(Some(inner))
}

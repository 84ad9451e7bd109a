//! How a name is read: letters of ASCII are folded to lower case unless it is quoted, as in PostgreSQL over UTF-8; all others stay as
//! they are written. So `Trades` is `trades`, and `Ärzte` is `Ärzte`, in statements, in the planner and before a suffix alike.

use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::tokenizer::Word;

/// The name that a word of a statement is.
pub(super) fn of_word(word: &Word) -> String {
    folded(&word.value, word.quote_style.is_some())
}

/// The name that an identifier of a syntax tree is.
pub(crate) fn of_ident(ident: &Ident) -> String {
    folded(&ident.value, ident.quote_style.is_some())
}

fn folded(text: &str, is_quoted: bool) -> String {
    if is_quoted { text.to_owned() } else { text.to_ascii_lowercase() }
}

/// The forms in which a statement can say a name: as people write it, which is read as a keyword in some places, and quoted.
pub(crate) fn written(name: &str) -> [String; 2] {
    let quoted = format!("\"{}\"", name.replace('"', "\"\""));
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let needs_quotes = name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(is_plain);
    [if needs_quotes { quoted.clone() } else { name.to_owned() }, quoted]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_ascii_alone_are_folded_and_only_in_unquoted_names() {
        for (ident, expected) in [
            (Ident::new("Trades"), "trades"),
            (Ident::with_quote('"', "Trades"), "Trades"),
            (Ident::new("Ärzte$LATE"), "Ärzte$late"),
            (Ident::new("ÜBERSICHT"), "Übersicht"),
            (Ident::new("İstanbul"), "İstanbul"),
            (Ident::new("ΣΊΣΥΦΟΣ"), "ΣΊΣΥΦΟΣ"),
            (Ident::new("\u{212A}elvin"), "\u{212A}elvin"),
        ] {
            assert_eq!(of_ident(&ident), expected, "{ident}");
        }
    }
}

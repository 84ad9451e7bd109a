//! `((SELECT …) UNION (SELECT …))` where a value is expected: sqlparser takes the inner bracket for that of a value.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

/// Whether the parser stands, directly behind a bracket, before a query in brackets of its own with which a set operation begins.
pub(super) fn begins(parser: &Parser<'_>) -> bool {
    if parser.get_current_token().token != Token::LParen || ahead(parser, 0) != Token::LParen {
        return false;
    }
    let Some(first) = (1..).map(|number| ahead(parser, number)).find(|token| *token != Token::LParen) else { return false };
    is_one_of(&first, &[Keyword::SELECT, Keyword::VALUES, Keyword::WITH])
        && is_one_of(&behind_bracket(parser), &[Keyword::UNION, Keyword::INTERSECT, Keyword::EXCEPT])
}

/// The token behind the bracket that closes the next one.
fn behind_bracket(parser: &Parser<'_>) -> Token {
    let mut depth = 0_usize;
    for number in 0.. {
        match ahead(parser, number) {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::EOF => return Token::EOF,
            _ => {}
        }
        if depth == 0 {
            return ahead(parser, number + 1);
        }
    }
    Token::EOF
}

/// Our tokens have no white space between them.
fn ahead(parser: &Parser<'_>, number: usize) -> Token {
    parser.peek_nth_token_no_skip(number).token
}

fn is_one_of(token: &Token, keywords: &[Keyword]) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && keywords.contains(&word.keyword))
}

//! The smallest and the largest of many numbers.

/// Both ends of `numbers`; `None`: there are none.
pub(crate) fn ends(numbers: &[i64]) -> Option<(i64, i64)> {
    let (first, rest) = numbers.split_first()?;
    Some(rest.iter().fold((*first, *first), |(least, most), number| (least.min(*number), most.max(*number))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_found_wherever_they_are() {
        assert_eq!(ends(&[]), None);
        let mut numbers: Vec<i64> = (0..23).map(|number| number * 7 % 23).collect();
        for turn in 0..numbers.len() {
            assert_eq!(ends(&numbers), Some((0, 22)), "{turn}: {numbers:?}");
            numbers.rotate_left(1);
        }
        assert_eq!(ends(&[i64::MAX, i64::MIN]), Some((i64::MIN, i64::MAX)));
        assert_eq!(ends(&[3]), Some((3, 3)));
    }
}

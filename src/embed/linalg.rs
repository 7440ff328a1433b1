//! Eigenvalues and eigenvectors of a symmetric matrix.

// Householder reflections to tridiagonal form, then the implicit QL method with Wilkinson's shift:
// the road of EISPACK's TRED2 and IMTQL2, laid out for rows. Eigenvectors are kept as rows, so that
// every inner loop runs over adjacent numbers and the compiler makes vectors of it. All of it is
// sequential and uses nothing but the four operations and square roots: the same bits everywhere.
//
// An own solver and not a crate: the alternatives bring 15 dependencies or a Fortran library for the
// 100 lines that are needed, and do not promise equal bits. A matrix of 384 takes 0.04 s, one of 1024
// about 0.8 s, on one core.

/// Steps that one eigenvalue may take; three is usual.
const MAX_STEPS: usize = 100;

/// The eigenvalues of a symmetric matrix, falling, and their eigenvectors, each of length 1.
#[derive(Debug)]
pub(crate) struct Eigen {
    pub(crate) values: Vec<f64>,
    /// Row `i` belongs to `values[i]`. Its largest component in size (the first of equal ones) is
    /// positive, which makes the vector unique when the eigenvalue is.
    pub(crate) vectors: Vec<f64>,
}

/// Solves the symmetric matrix `a`, given as `n` full rows of finite numbers. Nothing is returned when
/// the method does not converge, which finite input is not known to cause.
pub(crate) fn eigen(mut a: Vec<f64>, n: usize) -> Option<Eigen> {
    debug_assert!(n > 0 && a.len() == n * n);
    // Scaled to 1, so that no square overflows or vanishes for any table of 32-bit numbers.
    let scale = a.iter().fold(0.0_f64, |max, value| max.max(value.abs()));
    if scale > 0.0 {
        for value in &mut a {
            *value /= scale;
        }
    }
    let (mut diagonal, mut beside) = tridiagonal(&mut a, n);
    let mut vectors = vec![0.0; n * n];
    vectors.iter_mut().step_by(n + 1).for_each(|value| *value = 1.0);
    solve_tridiagonal(&mut diagonal, &mut beside, &mut vectors)?;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|i, j| diagonal[*j].total_cmp(&diagonal[*i]));
    let mut sorted = Vec::with_capacity(n * n);
    for &i in &order {
        let vector = &mut vectors[i * n..][..n];
        reflect_back(&a, n, vector);
        make_positive(vector);
        sorted.extend_from_slice(vector);
    }
    Some(Eigen { values: order.iter().map(|i| diagonal[*i] * scale).collect(), vectors: sorted })
}

/// Reduces `a` to a diagonal and what stands beside it. Row `k` of `a` then holds, right of its
/// diagonal, the vector `v` of the reflection `I - v v'` (whose length is the root of 2, or zero)
/// that cleared row `k`.
fn tridiagonal(a: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut beside = vec![0.0; n];
    let mut product = vec![0.0; n];
    for k in 0..n.saturating_sub(1) {
        let (upper, lower) = a.split_at_mut((k + 1) * n);
        let v = &mut upper[k * n + k + 1..];
        let head = v[0];
        let rest = dot(&v[1..], &v[1..]);
        if rest == 0.0 {
            // Nothing to clear; a zero vector reflects nothing.
            beside[k] = head;
            v.fill(0.0);
            continue;
        }
        let length = (head * head + rest).sqrt();
        beside[k] = if head > 0.0 { -length } else { length };
        v[0] -= beside[k];
        let norm = (0.5 * (v[0] * v[0] + rest)).sqrt();
        for value in &mut *v {
            *value /= norm;
        }
        // With w = A v - v (v' A v) / 2, the reflected block is A - v w' - w v'.
        let w = &mut product[k + 1..];
        for (value, row) in w.iter_mut().zip(lower.chunks_exact(n)) {
            *value = dot(&row[k + 1..], v);
        }
        let half = dot(v, w) / 2.0;
        w.iter_mut().zip(&*v).for_each(|(w, v)| *w -= half * v);
        for (i, row) in lower.chunks_exact_mut(n).enumerate() {
            let (vi, wi) = (v[i], w[i]);
            for ((value, v), w) in row[k + 1..].iter_mut().zip(&*v).zip(&*w) {
                *value -= vi * w + wi * v;
            }
        }
    }
    (a.iter().step_by(n + 1).copied().collect(), beside)
}

/// Turns an eigenvector of the tridiagonal matrix into one of the matrix that [`tridiagonal`] saw.
fn reflect_back(a: &[f64], n: usize, vector: &mut [f64]) {
    for k in (0..n.saturating_sub(1)).rev() {
        let v = &a[k * n + k + 1..(k + 1) * n];
        let part = dot(v, &vector[k + 1..]);
        vector[k + 1..].iter_mut().zip(v).for_each(|(value, v)| *value -= part * v);
    }
}

/// Finds the eigenvalues of a tridiagonal matrix in place of its diagonal, and turns the rows of
/// `vectors`, the identity, into its eigenvectors.
fn solve_tridiagonal(d: &mut [f64], e: &mut [f64], vectors: &mut [f64]) -> Option<()> {
    let n = d.len();
    // What is negligible is so against the whole matrix. Against its neighbours on the diagonal, what
    // rounding leaves of the eigenvalues 0 of a matrix of low rank would never become so.
    let size = d.iter().chain(&*e).fold(0.0_f64, |max, value| max.max(value.abs()));
    let negligible = size * f64::EPSILON / 4.0;
    for first in 0..n {
        for step in 0.. {
            // The block from `first` ends where what stands beside the diagonal is negligible.
            let small = |i: &usize| e[*i].abs() <= negligible;
            let last = (first..n - 1).find(small).unwrap_or(n - 1);
            if last == first {
                break;
            }
            if step == MAX_STEPS {
                return None;
            }
            let half = (d[first + 1] - d[first]) / (2.0 * e[first]);
            let root = (half * half + 1.0).sqrt();
            let shift = d[first] - e[first] / (half + root.copysign(half));
            ql_step(d, e, vectors, first..last, shift);
        }
    }
    Some(())
}

/// One implicit QL step on the block `block.start..=block.end`.
fn ql_step(
    d: &mut [f64],
    e: &mut [f64],
    vectors: &mut [f64],
    block: std::ops::Range<usize>,
    shift: f64,
) {
    let width = d.len();
    let (first, last) = (block.start, block.end);
    let (mut sine, mut cosine, mut carry) = (1.0, 1.0, 0.0);
    let mut chased = d[last] - shift;
    for i in block.rev() {
        let (off, kept) = (sine * e[i], cosine * e[i]);
        let length = (off * off + chased * chased).sqrt();
        e[i + 1] = length;
        if length == 0.0 {
            // The matrix falls apart here: the next step sees a smaller block.
            d[i + 1] -= carry;
            e[last] = 0.0;
            return;
        }
        sine = off / length;
        cosine = chased / length;
        let middle = d[i + 1] - carry;
        let turned = (d[i] - middle) * sine + 2.0 * cosine * kept;
        carry = sine * turned;
        d[i + 1] = middle + carry;
        chased = cosine * turned - kept;
        let (upper, lower) = vectors[i * width..(i + 2) * width].split_at_mut(width);
        for (x, y) in upper.iter_mut().zip(lower) {
            (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
        }
    }
    d[first] -= carry;
    e[first] = chased;
    e[last] = 0.0;
}

fn make_positive(vector: &mut [f64]) {
    let largest =
        vector.iter().fold(0.0_f64, |best, x| if x.abs() > best.abs() { *x } else { best });
    if largest < 0.0 {
        for value in vector {
            *value = -*value;
        }
    }
}

/// The inner product, as eight sums side by side: a fixed order that fits vector registers.
pub(crate) fn dot(left: &[f64], right: &[f64]) -> f64 {
    let (left, left_rest) = left.as_chunks::<8>();
    let (right, right_rest) = right.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (left, right) in left.iter().zip(right) {
        for i in 0..8 {
            sums[i] += left[i] * right[i];
        }
    }
    let rest: f64 = left_rest.iter().zip(right_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    /// The largest deviation of `A v = lambda v` and of `V V' = I`.
    fn check(a: &[f64], n: usize) -> Eigen {
        let solved = eigen(a.to_vec(), n).expect("finite input converges");
        let scale = a.iter().fold(1e-300_f64, |max, x| max.max(x.abs()));
        let rows: Vec<&[f64]> = solved.vectors.chunks(n).collect();
        for (row, value) in rows.iter().zip(&solved.values) {
            for (i, line) in a.chunks(n).enumerate() {
                let gap = (dot(line, row) - value * row[i]).abs();
                assert!(gap <= 1e-13 * scale * n as f64, "n {n}, gap {gap:e}");
            }
            for other in &rows {
                let want = if std::ptr::eq(*row, *other) { 1.0 } else { 0.0 };
                assert!((dot(row, other) - want).abs() < 1e-13 * (n as f64 + 10.0));
            }
            let largest =
                row.iter().copied().fold(0.0, |x: f64, y| if y.abs() > x.abs() { y } else { x });
            assert!(largest > 0.0);
        }
        assert!(solved.values.is_sorted_by(|x, y| x >= y));
        solved
    }

    #[test]
    fn random_matrices_of_every_size_are_solved() {
        let mut random = Random::new(11);
        for n in [1, 2, 3, 4, 5, 8, 17, 40, 101] {
            let mut a = vec![0.0; n * n];
            for i in 0..n {
                for j in 0..=i {
                    let value = random.normal();
                    a[i * n + j] = value;
                    a[j * n + i] = value;
                }
            }
            check(&a, n);
        }
    }

    #[test]
    fn matrices_of_low_rank_are_solved() {
        let mut random = Random::new(12);
        for (n, rank) in [(30, 1), (60, 7), (90, 45), (130, 20)] {
            let x: Vec<f64> = (0..rank * n).map(|_| random.normal() + 0.5).collect();
            let at = |i: usize, j: usize| x.chunks(n).map(|row| row[i] * row[j]).sum();
            let a: Vec<f64> = (0..n * n).map(|index| at(index / n, index % n)).collect();
            let solved = check(&a, n);
            let zero =
                solved.values[rank..].iter().all(|value| value.abs() < 1e-12 * solved.values[0]);
            assert!(zero && solved.values[rank - 1] > 1e-6 * solved.values[0]);
        }
    }

    #[test]
    fn special_matrices_are_solved() {
        let n = 12;
        let diagonal = |f: &dyn Fn(usize) -> f64| {
            let mut a = vec![0.0; n * n];
            (0..n).for_each(|i| a[i * n + i] = f(i));
            a
        };
        assert_eq!(check(&diagonal(&|_| 0.0), n).values, vec![0.0; n]);
        assert_eq!(check(&diagonal(&|_| 3.0), n).values, vec![3.0; n]);
        let graded =
            check(&diagonal(&|i| 1e-140 * 10_f64.powi(-3 * i32::try_from(i).expect("small"))), n);
        assert!((graded.values[0] / 1e-140 - 1.0).abs() < 1e-14);
        let ones = check(&vec![1.0; n * n], n);
        assert!((ones.values[0] - 12.0).abs() < 1e-13 && ones.values[1].abs() < 1e-13);
        check(&vec![1e200; n * n], n);
        // Eigenvalues 2 - 2 cos(k pi / (n + 1)).
        let mut chain = diagonal(&|_| 2.0);
        for i in 1..n {
            chain[i * n + i - 1] = -1.0;
            chain[(i - 1) * n + i] = -1.0;
        }
        for (k, value) in check(&chain, n).values.iter().rev().enumerate() {
            let want = 2.0 - 2.0 * (std::f64::consts::PI * (k as f64 + 1.0) / 13.0).cos();
            assert!((value - want).abs() < 1e-13);
        }
    }
}

// Which works --only names.
import picomatch from 'picomatch';

/** Those works whose names match. */
export function chosen(works, glob) {
  const matches = picomatch(glob);
  const found = works.filter(({ name }) => matches(name));
  if (found.length > 0) return found;
  throw new Error(
    `--only ${glob}: expected a glob that matches a work, such as ${works[0].name}; found none that does.`,
  );
}

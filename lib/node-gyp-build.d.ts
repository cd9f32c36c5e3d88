declare module 'node-gyp-build' {
  /** Loads the addon of the package in `directory`: from build/Release, else from prebuilds. */
  function load(directory: string): unknown;
  namespace load {
    /** Where that addon lies. */
    function resolve(directory: string): string;
  }
  export = load;
}

import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  globalIgnores(['build*/', 'coverage/', 'demo-output/', 'dist/', 'prebuilds/']),
  tseslint.configs.strict,
  {
    files: ['lib/**/*.ts', 'test/**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      // noUncheckedIndexedAccess leaves "!" for places where the length is known.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Own parts that few programs need are loaded when they are used; an import() would have to name a file of dist.
      '@typescript-eslint/no-require-imports': ['error', { allow: ['^\\.'] }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
    },
  },
);

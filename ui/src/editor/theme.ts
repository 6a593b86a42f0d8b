import * as monaco from 'monaco-editor/esm/vs/editor/editor.api';

// The worker names its semantic colours by these token classes; the colours below all reach a
// contrast of 4.5 on their background.
const DARK = {
  plain: 'd5dbe3',
  comment: '8b98a9',
  keyword: '7cc4f8',
  function: 'c9b6ff',
  string: 'f0b88a',
  number: 'a5d6a7',
  type: '6fd3c8',
  column: 'd5dbe3',
  table: '6fd3c8',
  operator: '9fb3c8',
};
const LIGHT = {
  plain: '1c2733',
  comment: '5b6b7c',
  keyword: '0a5aa8',
  function: '6a3fc2',
  string: '9a4a0c',
  number: '1d6b34',
  type: '0b6a63',
  column: '1c2733',
  table: '0b6a63',
  operator: '44566a',
};

function rules(c: typeof DARK): monaco.editor.ITokenThemeRule[] {
  return [
    { token: '', foreground: c.plain },
    { token: 'comment', foreground: c.comment, fontStyle: 'italic' },
    { token: 'keyword', foreground: c.keyword },
    { token: 'operator', foreground: c.operator },
    { token: 'function', foreground: c.function },
    { token: 'string', foreground: c.string },
    { token: 'number', foreground: c.number },
    { token: 'type', foreground: c.type },
    { token: 'identifier', foreground: c.plain },
    { token: 'variable', foreground: c.table },
    { token: 'variable.predefined', foreground: c.table },
    { token: 'variable.parameter', foreground: c.column },
    { token: 'operator.sql', foreground: c.keyword },
    { token: 'operator.scss', foreground: c.keyword },
    { token: 'tag', foreground: c.keyword },
    { token: 'annotation', foreground: c.type },
    { token: 'delimiter', foreground: c.plain },
  ];
}

/** Defines the two themes that match the portal's own tokens. */
export function defineThemes(): void {
  monaco.editor.defineTheme('taffrail-dark', {
    base: 'vs-dark',
    inherit: true,
    rules: rules(DARK),
    colors: {
      'editor.background': '#0f151d',
      'editor.foreground': '#d5dbe3',
      'editorLineNumber.foreground': '#5d6b7c',
      'editorLineNumber.activeForeground': '#a9b6c5',
      'editor.lineHighlightBackground': '#161e29',
      'editor.lineHighlightBorder': '#00000000',
      'editorWidget.background': '#18212d',
      'editorWidget.border': '#2c3949',
      'editorSuggestWidget.selectedBackground': '#23405a',
      'editorSuggestWidget.selectedForeground': '#ffffff',
      'editorSuggestWidget.highlightForeground': '#7cc4f8',
      'editorSuggestWidget.focusHighlightForeground': '#9fd6ff',
      'editorCursor.foreground': '#5cc8e8',
      'editor.selectionBackground': '#23496a',
      focusBorder: '#5cc8e8',
    },
  });
  monaco.editor.defineTheme('taffrail-light', {
    base: 'vs',
    inherit: true,
    rules: rules(LIGHT),
    colors: {
      'editor.background': '#ffffff',
      'editor.foreground': '#1c2733',
      'editorLineNumber.foreground': '#8391a1',
      'editorLineNumber.activeForeground': '#3c4b5c',
      'editor.lineHighlightBackground': '#f4f7fa',
      'editor.lineHighlightBorder': '#00000000',
      'editorWidget.background': '#ffffff',
      'editorWidget.border': '#cfd8e2',
      'editorSuggestWidget.selectedBackground': '#d5ebf5',
      'editorSuggestWidget.selectedForeground': '#10202e',
      'editorSuggestWidget.highlightForeground': '#0a5aa8',
      'editorSuggestWidget.focusHighlightForeground': '#0a5aa8',
      'editorCursor.foreground': '#0a6f92',
      'editor.selectionBackground': '#c3e2f0',
      focusBorder: '#0a6f92',
    },
  });
}

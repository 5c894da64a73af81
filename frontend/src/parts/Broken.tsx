// A view that throws takes only itself away, and says so.

import { Component, type ReactNode } from 'react';
import { Failed } from './basics';

interface Props {
  /** Another view is another try. */
  at: string;
  children: ReactNode;
}

export class Broken extends Component<Props, { error: unknown; at: string }> {
  override state = { error: null as unknown, at: this.props.at };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  static getDerivedStateFromProps({ at }: Props, state: { at: string }) {
    return at === state.at ? null : { error: null, at };
  }

  override render() {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return <Failed error={error} onRetry={() => this.setState({ error: null })} />;
  }
}
